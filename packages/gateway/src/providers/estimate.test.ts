/** Estimates of a prompt, and the length of a value as JSON that they stand on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { estimateChatPrompt, jsonBytes } from './estimate.ts';

test('the length of a value as JSON is that of JSON.stringify', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => jsonBytes(value) === Buffer.byteLength(JSON.stringify(value))));
});

test('a prompt whose tools are nested ten thousand levels deep is estimated, without a stack of that depth', () => {
  const tools = '['.repeat(10_000) + ']'.repeat(10_000);
  assert.equal(estimateChatPrompt(Buffer.from(`{"messages":[],"tools":${tools}}`)), 5_000);
});
