/** What of a chat chunk is text that was generated, where it is said more than once or beside what was found elsewhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TextTally } from '../lib/text-tally.ts';
import { glance } from './openai-glance.ts';

function seen(chunk: unknown): [bytes: number, matters: boolean] {
  const tally = new TextTally();
  const matters = glance(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`), tally);
  return [tally.bytes, matters];
}

test('text that a chunk says in several places is counted once', () => {
  const reasoning = { reasoning_details: [{ text: 'abc' }], reasoning_content: 'abc', content: '' };
  assert.deepEqual(seen({ choices: [{ text: 'abc', delta: reasoning }] }), [3, false]);
  assert.deepEqual(seen({ choices: [{ delta: { reasoning_details: [{ text: 'abc' }], content: null } }] }), [3, false]);
  assert.deepEqual(seen({ choices: [{ text: 'abc' }, { text: 'de' }] }), [5, false]);
  assert.deepEqual(seen({ choices: [{ delta: { content: [{ text: 'ab' }, { text: 'c' }] } }] }), [3, false]);
});

test('what the provider found elsewhere is no output, and what stands behind it is still read', () => {
  const delta = {
    annotations: [{ url_citation: { content: 'a page ] } "', title: '\\"' } }],
    executed_tools: [{ arguments: '{"q":1}', search_results: { results: [{ content: 'x' }] } }],
    content: 'ab',
  };
  assert.deepEqual(seen({ choices: [{ delta }] }), [2, false]);
  assert.deepEqual(seen({ choices: [{ delta }], usage: { prompt_tokens: 3, completion_tokens: 1 } }), [2, true]);
  assert.deepEqual(seen({ choices: [{ delta: { annotations: null, content: 'ab' } }] }), [2, false]);
});

test('a frame that breaks off within such a list ends there', () => {
  for (const cut of ['"annotations":[{"a":"b', '"annotations":[{"a":[', '"text":"ab']) {
    const tally = new TextTally();
    glance(Buffer.from(`data: {"choices":[{"delta":{${cut}`), tally);
    assert.equal(tally.bytes, cut.startsWith('"text"') ? 2 : 0, cut);
  }
});
