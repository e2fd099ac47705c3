/** Exported files: nothing that a spreadsheet would run, nothing that is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvText, jsonText } from './export-text.ts';

test('a text that a spreadsheet would take for a formula is a text in the file', () => {
  for (const name of ['=1+1', '+1', '-1+1', '@SUM(A1)', '\t=1', '\r=1']) {
    const field = csvText([{ name }]).split('\r\n').slice(1).join('\r\n');
    assert.match(field, /^"?'/, JSON.stringify(name));
  }
});

test('numbers stay numbers, also negative ones', () => {
  assert.equal(
    csvText([{ a: -3, b: '-0.000000001', c: '12345678901234567890' }]),
    'a,b,c\r\n-3,-0.000000001,12345678901234567890\r\n',
  );
});

test('commas, quotes and line ends in a name stay in its field', () => {
  assert.equal(csvText([{ name: 'a,"b"\nc', none: null }]), 'name,none\r\n"a,""b""\nc",\r\n');
});

test('JSON has the names as they are', () => {
  assert.deepEqual(JSON.parse(jsonText([{ name: '=1+1', n: 1 }])), [{ name: '=1+1', n: 1 }]);
});
