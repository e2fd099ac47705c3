/** The same text makes the same tally, as a string, as UTF-8 and as JSON, and its bytes are those of UTF-8. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TEXT_KINDS, type TextKind, TextTally } from './text-tally.ts';

const counts = (tally: TextTally): Record<string, number> =>
  Object.fromEntries(
    TEXT_KINDS.map((kind) => [
      kind,
      tally.weighed(
        Object.fromEntries(TEXT_KINDS.map((each) => [each, each === kind ? 1 : 0])) as Record<TextKind, number>,
      ),
    ]).filter(([, count]) => count !== 0),
  );

function ofText(text: string): TextTally {
  const tally = new TextTally();
  tally.addText(text);
  return tally;
}

test('characters are told by their kind', () => {
  assert.deepEqual(counts(ofText('Ab 12, ä — Ж ک ह 日か 한 😀！\n')), {
    letter: 2,
    digit: 2,
    blank: 10,
    sign: 1,
    marked: 1,
    script: 1,
    abjad: 1,
    indic: 1,
    symbol: 2,
    ideograph: 2,
    hangul: 1,
    astral: 1,
  });
});

test('a string, its UTF-8 and its JSON, escaped or not, make one tally, in any pieces', () => {
  const text = fc.string({ unit: 'binary', maxLength: 80 }).map((each) => each.replace(/[\p{Cc}"\\/]/gu, ''));
  fc.assert(
    fc.property(text, fc.nat(80), (plain, cut) => {
      const whole = ofText(plain);
      const bytes = Buffer.from(plain);
      assert.equal(whole.bytes, bytes.length);
      const utf8 = new TextTally();
      utf8.addBytes(bytes, 0, Math.min(cut, bytes.length));
      utf8.addBytes(bytes, Math.min(cut, bytes.length));
      assert.deepEqual([counts(utf8), utf8.bytes], [counts(whole), whole.bytes]);
      const escaped = plain.replace(/[^ -~]/gu, (each) =>
        [...Array(each.length).keys()].map((at) => `\\u${each.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
      );
      for (const json of [plain, escaped]) {
        const inside = Buffer.from(`"${json}"`);
        const tally = new TextTally();
        tally.addJson(inside, 1, inside.length - 1);
        assert.deepEqual([counts(tally), tally.bytes], [counts(whole), whole.bytes]);
      }
    }),
  );
});

test('escapes count as what they stand for, broken ones do not hurt', () => {
  const tally = new TextTally();
  const json = Buffer.from('a\\n\\"\\\\\\t\\u00e4');
  tally.addJson(json, 0, json.length);
  assert.deepEqual([counts(tally), tally.bytes], [{ letter: 1, blank: 2, sign: 2, marked: 1 }, 7]);
  for (const broken of ['\\', '\\u', '\\u12', '\\uzzzz', '\\x']) tally.addJson(Buffer.from(broken), 0, broken.length);
  assert.ok(Number.isSafeInteger(tally.bytes));
});
