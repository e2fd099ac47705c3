/** `model.usage` over the WebSocket: each dispatch once, in order, to whom it concerns, and made into text once for all. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { DispatchRecord, EventEnvelope } from '@weighbridge/protocol';
import { WireClient, WireRefusal } from './wire/client.ts';
import { startWireRig } from './wire/gateway.ts';

const rig = await startWireRig({ after });

async function keyOf(tenantId: string, scopes: readonly string[]): Promise<string> {
  const answer = await fetch(`${rig.url}/api/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${rig.token}` },
    body: JSON.stringify({ tenantId, scopes }),
  });
  assert.equal(answer.status, 201);
  return ((await answer.json()) as { key: string }).key;
}

async function call(credential: string): Promise<string> {
  const answer = await fetch(`${rig.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}` },
    body: JSON.stringify({ model: 'scripted/ok-3', messages: [{ role: 'user', content: 'hi' }] }),
  });
  await answer.arrayBuffer();
  return answer.headers.get('x-weighbridge-dispatch-id')!;
}

function told(client: WireClient): string[] {
  return client.events
    .filter(({ event }) => event === 'model.usage')
    .map(({ payload }) => (payload as EventEnvelope<string, DispatchRecord>).data.dispatchId);
}

function hears(client: WireClient, dispatchId: string) {
  return client.event(
    'model.usage',
    ({ data }: EventEnvelope<string, DispatchRecord>) => data.dispatchId === dispatchId,
  );
}

test('a subscriber is told of each dispatch as the log has it, and a tenant’s only of its own', async () => {
  const acme = await keyOf('acme', ['read', 'dispatch']);
  const dispatchOnly = await keyOf('acme', ['dispatch']);
  const clients = await Promise.all([
    WireClient.connect(rig.url, { token: rig.token }),
    WireClient.connect(rig.url, { token: acme }),
    WireClient.connect(rig.url, { token: rig.token }),
    WireClient.connect(rig.url, { token: dispatchOnly }),
  ]);
  after(() => Promise.all(clients.map((client) => client.close())));
  const [operator, tenant, silent, caller] = clients as [WireClient, WireClient, WireClient, WireClient];
  await assert.rejects(caller.request('model.usage.subscribe'), WireRefusal);
  await call(rig.token);
  const { afterSeq } = await operator.request<{ afterSeq: number }>('model.usage.subscribe');
  await tenant.request('model.usage.subscribe');
  assert.ok(afterSeq > 0);

  const own = await call(rig.token);
  const theirs = await call(acme);
  const last = await call(rig.token);
  const heard = await hears(operator, last);
  await hears(tenant, theirs);
  assert.deepEqual(told(operator), [own, theirs, last]);
  assert.deepEqual(told(tenant), [theirs]);
  assert.deepEqual(told(silent), []);
  const { seq } = heard.payload as EventEnvelope;
  const path = `${rig.url}/api/v1/dispatches/${last}`;
  const record = await (await fetch(path, { headers: { authorization: `Bearer ${rig.token}` } })).json();
  const { data } = heard.payload as EventEnvelope<string, DispatchRecord>;
  assert.deepEqual(data.usage, (record as DispatchRecord).usage);
  assert.ok(seq > afterSeq);

  await operator.request('model.usage.unsubscribe');
  const unheard = await call(rig.token);
  const later = await call(acme);
  await hears(tenant, later);
  assert.ok(!told(operator).includes(unheard));
  await tenant.request('model.usage.unsubscribe');
  await call(acme);
  await operator.request('model.usage.subscribe');
  const again = await call(rig.token);
  await hears(operator, again);
  assert.equal(told(operator).at(-1), again);
});
