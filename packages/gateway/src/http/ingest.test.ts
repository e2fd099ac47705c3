/** Usage that others counted, over HTTP: once by its id however it is sent, bodies of every form, nothing of a bad one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DispatchDetail, DispatchRecord, IngestAnswer, List, UsageAnswer } from '@weighbridge/protocol';
import { PageHouse } from '../../../../test/rig/page-house.ts';

let house: PageHouse;
before(async () => {
  house = await PageHouse.open();
});
after(() => house.close());

async function send(body: string | Buffer, headers: Record<string, string> = {}) {
  const init = { method: 'POST', headers: { ...house.headers, 'content-type': 'application/json', ...headers }, body };
  const answer = await fetch(`${house.url}/api/v1/ingest/model_usage`, init);
  return { status: answer.status, body: (await answer.json()) as IngestAnswer & { error?: { message: string } } };
}

async function counted(model: string): Promise<number> {
  return (await house.ask<UsageAnswer>(`/api/v1/usage?model=${model}`)).totals.requests;
}

const record = (over: object): string => JSON.stringify({ model: 'm', prompt_tokens: 1, ...over });

test('the same id sent by many at once counts once, and each of them is told the same dispatch', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => send(record({ model: 'twelve', id: 'once' }))));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(
    answers.reduce((sum, { body }) => sum + body.ingested, 0),
    1,
  );
  assert.equal(new Set(answers.map(({ body }) => body.results[0]!.dispatchId)).size, 1);
  assert.equal(await counted('twelve'), 1);
});

test('of two requests at once with one id and different content one counts, and of the other nothing', async () => {
  const bodies = [1, 2].map(
    (tokens) =>
      `[${record({ model: 'race', prompt_tokens: tokens, id: 'same' })},${record({ model: 'race', id: `own-${tokens}` })}]`,
  );
  const answers = await Promise.all(bodies.map((body) => send(body)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
  assert.equal(await counted('race'), 2);
});

test('a bad record in the middle leaves nothing of its request', async () => {
  for (const wrong of ['{"model":"part","prompt_tokens":-1}', '{"model":"part","cost_usd":-1}', '{}', '7', 'null']) {
    const { status, body } = await send(`[${record({ model: 'part' })},${wrong}]`);
    assert.equal(status, 400, wrong);
    assert.match(body.error!.message, /records\[1\]/);
  }
  assert.equal(await counted('part'), 0);
});

test('lines are records, and a line that is no text is refused, not read as another one', async () => {
  const headers = { 'content-type': 'application/x-ndjson' };
  const lines = `${record({ model: 'lines' })}\r\n\n${record({ model: 'lines' })}`;
  assert.equal((await send(lines, headers)).body.ingested, 2);
  const broken = Buffer.concat([
    Buffer.from(`${record({ model: 'lines' })}\n{"model":"`),
    Buffer.of(0xff),
    Buffer.from('"}'),
  ]);
  const { status, body } = await send(broken, headers);
  assert.equal(status, 400);
  assert.match(body.error!.message, /^Line 2/);
  assert.equal(await counted('lines'), 2);
});

test('a cost without tokens is the entry’s cost, wherever one looks', async () => {
  const image = { model: 'dall-e-3', cost_usd: 0.5, latency_ms: 900, agent_name: 'main' };
  const { status, body } = await send(JSON.stringify(image));
  assert.equal(status, 200);
  const { data } = await house.ask<List<DispatchRecord>>('/api/v1/dispatches?model=dall-e-3');
  assert.deepEqual([data[0]!.usage, data[0]!.cost?.usd, data[0]!.cost?.source], [null, '0.500000', 'reported']);
  const { costNow } = await house.ask<DispatchDetail>(`/api/v1/dispatches/${body.results[0]!.dispatchId}`);
  assert.equal(costNow?.usd, '0.500000');
  const { totals, rows } = await house.ask<UsageAnswer>('/api/v1/usage?model=dall-e-3&groupBy=model');
  for (const { costUsd, composition } of [totals, rows[0]!]) {
    assert.deepEqual([costUsd, composition.none, composition.unpriced], ['0.500000', 1, 0]);
  }
  const metrics = await (await fetch(`${house.url}/metrics`, { headers: house.headers })).text();
  assert.match(metrics, /^weighbridge_cost_usd\{[^}]*model="dall-e-3"[^}]*\} 0\.5$/m);
});
