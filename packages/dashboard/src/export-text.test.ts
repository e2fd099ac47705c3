/** Exported files: nothing that a spreadsheet would run, nothing that is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvText, datedName, jsonText } from './export-text.ts';

/** Without it a spreadsheet takes UTF-8 for something else. */
const BOM = '\uFEFF';

test('a text that a spreadsheet would take for a formula is a text in the file', () => {
  for (const name of ['=1+1', '+1', '-1+1', '@SUM(A1)', '\t=1', '\r=1']) {
    const field = csvText([{ name }]).split('\r\n').slice(1).join('\r\n');
    assert.match(field, /^"?'/, JSON.stringify(name));
  }
});

test('numbers stay numbers, also negative ones', () => {
  assert.equal(
    csvText([{ a: -3, b: '-0.000000001', c: '12345678901234567890' }]),
    `${BOM}a,b,c\r\n-3,-0.000000001,12345678901234567890\r\n`,
  );
});

test('commas, quotes and line ends in a name stay in its field', () => {
  assert.equal(csvText([{ name: 'a,"b"\nc', none: null }]), `${BOM}name,none\r\n"a,""b""\nc",\r\n`);
});

test('what some spreadsheet splits cells by is inside quotes, and no formula begins after it', () => {
  for (const name of ['x;y', 'x\ty', 'x\ry', 'x\u2028y', 'ä,ö']) {
    assert.equal(csvText([{ who: 'a', name }]), `${BOM}who,name\r\na,"${name}"\r\n`, JSON.stringify(name));
  }
  // Where `;` splits, a line `a,"x;=1+1;"` is three cells: quotes inside of a cell are none.
  for (const name of ['x;=1+1;', 'x; @SUM(A1)', 'x\t=1+1', 'x\n-1+1', 'x;\t＝1']) {
    assert.doesNotMatch(csvText([{ who: 'a', name }]), /[;\t\n]\s*[=+\-@＝]/, JSON.stringify(name));
  }
});

test('a file is called after the days that it is of, in the zone that is shown', () => {
  const [fromMs, toMs] = [Date.UTC(2026, 10, 13, 23), Date.UTC(2026, 10, 20, 23)];
  assert.equal(datedName('model-7d', { fromMs, toMs }, 'Europe/Berlin'), 'model-7d-2026-11-14-to-2026-11-20');
  assert.equal(datedName('model-15m', { fromMs: toMs - 900_000, toMs }, 'UTC'), 'model-15m-2026-11-20');
});

test('JSON has the names as they are', () => {
  assert.deepEqual(JSON.parse(jsonText([{ name: '=1+1', n: 1 }])), [{ name: '=1+1', n: 1 }]);
});
