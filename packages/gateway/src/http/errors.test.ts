/** The table of refusals and docs/errors.md say the same, both ways. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayError, REFUSALS } from '../domain/errors.ts';
import { bodyOf, headersOf, refusalOf } from './errors.ts';

test('docs/errors.md lists every code with its status and whether to retry, and no other', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../../docs/errors.md'), 'utf8');
  const documented = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \|/gm)].map(([, code, status, retry]) => [
    code,
    Number(status),
    retry === 'yes',
  ]);
  const coded = Object.entries(REFUSALS).map(([code, { status, retryable }]) => [code, status, retryable]);
  assert.deepEqual(documented, coded);
});

test('a refusal has the shape that OpenAI clients read, and says when to come back', () => {
  const error = new GatewayError('rate_limited', 'Too many.', { retryAfterSeconds: 7 });
  assert.deepEqual(bodyOf(error), {
    error: { message: 'Too many.', type: 'rate_limited', code: 'rate_limited', param: null },
  });
  assert.deepEqual(headersOf(error), { 'retry-after': '7' });
});

test('what is not a refusal becomes a 500 that tells nothing of its cause', () => {
  const refusal = refusalOf(new Error('password=hunter2'));
  assert.equal(refusal.code, 'internal');
  assert.doesNotMatch(JSON.stringify(bodyOf(refusal)), /hunter2/);
});
