/** The watch against JSON.parse: the same scalars whatever the cuts, and a measure of text that knows keys from blobs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonWatch } from './json-watch.ts';

function watched(text: string, sizes: readonly number[] = [], wanted = ['model', 'stream']): JsonWatch {
  const watch = new JsonWatch(wanted);
  const bytes = Buffer.from(text);
  let at = 0;
  for (const size of sizes) {
    watch.push(bytes.subarray(at, at + size));
    at += size;
  }
  watch.push(bytes.subarray(at));
  return watch;
}

test('wanted scalars of the outermost object are found wherever they stand, and only there', () => {
  const inner = '"messages":[{"model":"no","stream":false,"x":"\\"model\\":\\"no\\""}]';
  for (const text of [
    `{"model":"m","stream":true,${inner}}`,
    `{${inner},"stream" : true , "model"\n:\t"m" }`,
    `{"mod\\u0065l":"no","model":"m",${inner},"stream":true}`,
    `{"a":{"b":[{}]},"model":"m","c":[[],{}],"stream":true}`,
  ]) {
    const watch = watched(text);
    assert.deepEqual([watch.scalar('model'), watch.scalar('stream'), watch.isOver], ['m', true, true], text);
  }
  const none = watched(`{${inner}}`);
  assert.deepEqual([none.scalar('model'), none.scalar('stream')], [undefined, undefined]);
  assert.equal(watched('{"model":{"model":"x"},"stream":[true]}').scalar('model'), undefined);
  assert.equal(watched('[{"model":"x"}]').scalar('model'), undefined);
});

test('the scalars are those of JSON.parse, whatever the object and wherever it is cut', () => {
  const scalar = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.boolean(), fc.constant(null), fc.integer());
  const object = fc.dictionary(
    fc.oneof(fc.constantFrom('model', 'stream'), fc.string({ minLength: 2 })),
    fc.oneof(scalar, fc.jsonValue()),
  );
  fc.assert(
    fc.property(object, fc.nat(3), fc.array(fc.integer({ min: 1, max: 9 })), (value, indent, sizes) => {
      const text = JSON.stringify(value, null, indent);
      const parsed = JSON.parse(text) as Record<string, unknown>;
      const watch = watched(text, sizes);
      for (const key of ['model', 'stream']) {
        const expected = Object.hasOwn(parsed, key) ? parsed[key] : undefined;
        const isNested = typeof expected === 'object' && expected !== null;
        assert.deepEqual(watch.scalar(key), isNested ? undefined : expected, `${key} in ${text}`);
      }
      assert.equal(watch.isOver, true);
      assert.ok(watch.text.bytes <= Buffer.byteLength(text));
    }),
    { numRuns: 300 },
  );
});

test('the last of repeated members counts, and a value of more than 512 bytes is not kept', () => {
  assert.equal(watched('{"model":"a","model":"b"}').scalar('model'), 'b');
  assert.equal(watched('{"model":"a","model":{}}').scalar('model'), undefined);
  assert.equal(watched(`{"model":"${'x'.repeat(510)}"}`).scalar('model'), 'x'.repeat(510));
  assert.equal(watched(`{"model":"${'x'.repeat(511)}"}`, Array(90).fill(6)).scalar('model'), undefined);
});

test('text is measured with its keys, blobs are only counted', () => {
  const picture = 'iVBORw0KGgo'.repeat(1000);
  const body = {
    model: 'claude',
    system: 'Be brief.',
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Hi there' }, { image: `data:image/png;base64,${picture}` }] },
    ],
    max_tokens: 5,
  };
  const watch = watched(JSON.stringify(body), [7, 9, 300]);
  const words = ['role', 'user', 'content', 'type', 'text', 'text', 'Hi there', 'image'].join('').length;
  assert.deepEqual([watch.text.bytes, watch.blobs], ['Be brief.'.length + words, 1]);
});

test('of a very long text the beginning is looked at, and the rest is only measured', () => {
  const text = 'Weigh it \\" twice. '.repeat(400_000);
  const watch = new JsonWatch(['model']);
  const bytes = Buffer.from(`{"messages":[{"content":"${text}"},{"content":"${'QUJD'.repeat(100_000)}"}],"model":"m"}`);
  for (let at = 0; at < bytes.length; at += 7919) watch.push(bytes.subarray(at, at + 7919));
  assert.deepEqual([watch.scalar('model'), watch.blobs, watch.isOver], ['m', 1, true]);
  assert.ok(watch.text.bytes <= 4 * 1024 * 1024 + 1000);
  assert.ok(Math.abs(watch.unseenBytes + watch.text.bytes - text.length) < text.length / 10);
});

test('whatever passes, the watch does not throw and holds nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
      const watch = new JsonWatch(['model']);
      for (const chunk of chunks) watch.push(Buffer.from(chunk));
    }),
  );
  const deep = new JsonWatch(['model']);
  deep.push(Buffer.from(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"model":"m"}`));
  assert.equal(deep.scalar('model'), 'm');
});
