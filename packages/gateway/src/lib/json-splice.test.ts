/** The scan against JSON.parse on arbitrary objects, and splices that must keep every other byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findMember, isDeeperThan, type ObjectScan, scanArray, scanObject, splice } from './json-splice.ts';

function scanned(text: string, depthMax?: number): ObjectScan {
  const scan = scanObject(Buffer.from(text), 0, depthMax);
  assert.ok(typeof scan === 'object', `${text} gave ${String(scan)}`);
  return scan;
}

const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/);
/** V8 13.6 takes the key `"\""` for `"\\"` where it has met that one before, so neither stands in what is parsed here. */
const anyKey = fc.string({ unit: 'binary' }).filter((key) => key !== '"' && key !== '\\');
/** Objects written in every legal way: white space, escapes, any depth. */
const written = fc.tuple(fc.dictionary(anyKey, fc.jsonValue()), space, fc.nat(3), fc.boolean());

function write([object, gap, indent, escaped]: [Record<string, unknown>, string, number, boolean]): string {
  const text = JSON.stringify(object, null, indent);
  const ascii = escaped
    ? text.replace(/[^\x20-\x7e\n]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
  return `${gap}${ascii}${gap}`;
}

test('the scan agrees with JSON.parse on keys and values of any object, however it is written', () => {
  fc.assert(
    fc.property(written, (parts) => {
      const text = write(parts);
      const bytes = Buffer.from(text);
      const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>;
      const scan = scanned(text);
      assert.deepEqual(new Set(scan.members.map(({ key }) => key)), new Set(Object.keys(parsed)));
      for (const { key, start, end } of scan.members) {
        assert.deepEqual(JSON.parse(bytes.toString('utf8', start, end)), parsed[key]);
      }
      assert.equal(bytes.toString('utf8', 0, scan.end), text.trimEnd());
    }),
    { numRuns: 500 },
  );
});

test('a splice changes the value it replaces and keeps every other byte', () => {
  fc.assert(
    fc.property(written, fc.nat(), fc.jsonValue(), (parts, pick, value) => {
      const bytes = Buffer.from(write(parts));
      const scan = scanned(bytes.toString());
      if (scan.members.length === 0) return;
      const member = scan.members[pick % scan.members.length]!;
      const replacement = Buffer.from(JSON.stringify(value));
      const edited = splice(bytes, [{ start: member.start, end: member.end, bytes: replacement }]);
      assert.deepEqual(edited.subarray(0, member.start), bytes.subarray(0, member.start));
      assert.deepEqual(edited.subarray(member.start + replacement.length), bytes.subarray(member.end));
      const expected = JSON.parse(bytes.toString()) as Record<string, unknown>;
      Object.defineProperty(expected, member.key, { value, enumerable: true, configurable: true, writable: true });
      assert.deepEqual(JSON.parse(edited.toString()), JSON.parse(JSON.stringify(expected)));
    }),
    { numRuns: 500 },
  );
});

test('several edits, insertions among them, are applied at their own places and in their own order', () => {
  const bytes = Buffer.from('{"a":1,"b":22}');
  const edits = [
    { start: 11, end: 13, bytes: Buffer.from('3') },
    { start: 1, end: 1, bytes: Buffer.from('"x":0,') },
    { start: 1, end: 1, bytes: Buffer.from('"y":0,') },
  ];
  assert.equal(splice(bytes, edits).toString(), '{"x":0,"y":0,"a":1,"b":3}');
  assert.equal(splice(bytes, []), bytes);
});

test('an escaped spelling of a key is the same key', () => {
  const scan = scanned('{"mod\\u0065l":"a","\\u006d\\u006fdel":"b","stream":true}');
  assert.deepEqual(scan.duplicates, ['model']);
  assert.equal(findMember(scan, 'model')!.start, scan.members[1]!.start);
});

test('duplicates are all reported, among few members and among many', () => {
  assert.deepEqual(scanned('{"a":1,"b":2,"a":3,"b":4,"a":5,"c":6}').duplicates, ['a', 'b']);
  const many = Array.from({ length: 100 }, (_, index) => `"k${index}":1`);
  assert.deepEqual(scanned(`{${[...many, '"k7":2'].join(',')}}`).duplicates, ['k7']);
  assert.deepEqual(scanned('{"a":{"x":1,"x":2},"b":{"x":1}}').duplicates, []);
});

test('the depth limit counts the object itself and refuses one level more', () => {
  assert.equal(scanObject(Buffer.from('{"a":[[1]]}'), 0, 2), 'too_deep');
  assert.ok(typeof scanObject(Buffer.from('{"a":[[1]]}'), 0, 3) === 'object');
  const deep = Buffer.from(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
  assert.equal(scanObject(deep, 0, 100), 'too_deep');
});

test('the depth of any value is known, whatever stands first, and brackets in strings are none', () => {
  for (const [text, depth] of [
    ['[[]]', 2],
    ['  {"a":[{"b":"]]}}"}]}', 3],
    ['1', 0],
    ['[[[', 3],
    ['"[[[', 0],
    ['[[["x', 3],
  ] as const) {
    const padded = Buffer.from(text.padEnd(20));
    assert.equal(isDeeperThan(padded, depth), false, text);
    if (depth > 0) assert.equal(isDeeperThan(padded, depth - 1), true, text);
  }
});

test('quotes and backslashes in long strings do not end them', () => {
  for (const tail of ['\\\\', '\\"', '\\\\\\"', '"', '\\']) {
    for (let length = 0; length < 60; length++) {
      const value = 'x'.repeat(length) + tail;
      const text = JSON.stringify({ a: value, b: 1 });
      const scan = scanned(text);
      assert.deepEqual(
        scan.members.map(({ key }) => key),
        ['a', 'b'],
      );
    }
  }
});

test('cut or foreign bytes are malformed, never an exception and never an endless loop', () => {
  const text = '{"a":"b\\"c","d":[1,{"e":null}],"f":-1.5e3}';
  for (let cut = 0; cut < text.length; cut++) {
    assert.equal(scanObject(Buffer.from(text.slice(0, cut))), 'malformed', `cut at ${cut}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      scanObject(Buffer.from(bytes));
      scanObject(Buffer.concat([Buffer.from('{"'), bytes]));
    }),
  );
});

test('the elements of an array are found', () => {
  const bytes = Buffer.from(' [ {"a":[1,2]} , "x,]" ,3]');
  const texts = scanArray(bytes, 0)!.map(({ start, end }) => bytes.toString('utf8', start, end));
  assert.deepEqual(texts, ['{"a":[1,2]}', '"x,]"', '3']);
  assert.deepEqual(scanArray(Buffer.from('[]'), 0), []);
  assert.equal(scanArray(Buffer.from('[1'), 0), null);
});
