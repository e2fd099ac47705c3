/** What a parameter may be, told to people: each by its name, with what it takes, and in no other words than ours. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ErrorBody } from '@weighbridge/protocol';
import { BEARER, Door } from './door.fixture.ts';

const door = new Door();
before(() => door.open({ everything: true }));
after(() => door.close());

const many = Array.from({ length: 33 }, (_, at) => `exclude=model:m${at}`).join('&');

for (const [path, param, message] of [
  [`usage?${many}`, 'exclude', '`exclude` may be given at most 32 times.'],
  [`usage?exclude=${'m'.repeat(513)}`, 'exclude', '`exclude` may be at most 512 characters long.'],
  ['usage?model=', 'model', '`model` must not be empty.'],
  ['usage?model=a&model=b', 'model', '`model` may be given only once.'],
  ['usage?limit=0', 'limit', '`limit` must be at least 1.'],
  ['usage?limit=1000000', 'limit', '`limit` must be at most 10000.'],
  ['usage?limit=many', 'limit', '`limit` must be a whole number.'],
  ['usage?latency=maybe', 'latency', '`latency` must be true or false.'],
  ['usage?bucket=year', 'bucket', '`bucket` must be one of minute, 15m, hour, day, month.'],
  ['usage?modle=x', 'modle', 'There is no parameter `modle` here; docs/http.md has the list.'],
  ['dispatches/x', 'id', '`id` is not written like one; it must match ^(dsp|ent)_[0-9A-Z]{26}$.'],
] as const) {
  test(`${path.slice(0, 30)} is refused: ${message}`, async () => {
    const answer = await fetch(`${door.base}/api/v1/${path}`, { headers: BEARER });
    const { error } = (await answer.json()) as ErrorBody;
    assert.deepEqual([answer.status, error.param, error.message], [400, param, message]);
  });
}

test('a parameter that must be there is named where it is missing', async () => {
  const answer = await fetch(`${door.base}/api/v1/prices/reprice`, { method: 'POST', headers: BEARER });
  const { error } = (await answer.json()) as ErrorBody;
  assert.deepEqual([answer.status, error.param, error.message], [400, 'from', '`from` is missing.']);
});
