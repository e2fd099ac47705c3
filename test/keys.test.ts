/**
 * Keys through the whole program: two gateways on one PostgreSQL, callers that use one key at both without a pause and claim
 * to be somebody else, and a revocation at one of them. Every call is its key's in the ledger, and none begins anywhere
 * a second after the revocation was answered.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CreatedKey, DispatchRecord, List } from '@weighbridge/protocol';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { lastFirst } from './rig/last-first.ts';
import { testDatabase } from './rig/postgres-server.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { json, ScriptedUpstream } from './rig/scripted-upstream.ts';
import { until } from './rig/until.ts';

const TOKEN = 'a-token-that-both-gateways-take';
const CALLERS_EACH = 3;
const WITHIN_MS = 1000;

test('a key’s calls are its own at every gateway, and a second after its revocation there are none', async (context) => {
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const env = { WEIGHBRIDGE_DATABASE_URL: await testDatabase(), WEIGHBRIDGE_TOKEN: TOKEN };
  const gateways = ['a', 'b'].map(
    (name) => new GatewayProcess({ stateDir: join(scratch, name), config: scriptedConfig(provider.baseUrl), env }),
  );
  for (const gateway of gateways) t.after(async () => void (await gateway.stop()));
  for (const gateway of gateways) await gateway.start();
  const [here, there] = gateways as [GatewayProcess, GatewayProcess];

  const operator = { authorization: `Bearer ${TOKEN}` };
  const headers = { 'x-weighbridge-end-user-id': 'acme-prod' };
  const asked = { tenantId: 'acme', scopes: ['dispatch', 'read'], headers };
  const made = await fetch(`${here.url}/api/v1/keys`, {
    method: 'POST',
    headers: operator,
    body: JSON.stringify(asked),
  });
  assert.equal(made.status, 201);
  const { key, keyId } = (await made.json()) as CreatedKey;
  const feedOf = (gateway: GatewayProcess) =>
    fetch(`${gateway.url}/api/v1/events`, { headers: { authorization: `Bearer ${key}` } });
  let feed = await feedOf(there);
  await until('the other gateway knows the key', async () => {
    if (!feed.ok) feed = await feedOf(there);
    return feed.ok;
  });
  const feedEnded = feed.text().then(() => performance.now());

  let revokedAt = Number.POSITIVE_INFINITY;
  const calls: { gateway: GatewayProcess; status: number; sentAt: number }[] = [];
  const caller = async (gateway: GatewayProcess): Promise<void> => {
    while (performance.now() < revokedAt + WITHIN_MS + 500) {
      const sentAt = performance.now();
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          'x-weighbridge-key': key,
          'x-weighbridge-end-user-id': 'somebody-else',
          'x-litellm-customer-id': 'somebody-else',
          'x-weighbridge-tenant-id': 'other',
        },
        body: JSON.stringify({ model: 'scripted/ok-3', user: 'me', messages: [{ role: 'user', content: 'hi' }] }),
      });
      await answer.text();
      calls.push({ gateway, status: answer.status, sentAt });
    }
  };
  const callers = gateways.flatMap((gateway) => Array.from({ length: CALLERS_EACH }, () => caller(gateway)));
  const answered = (gateway: GatewayProcess) => calls.filter((call) => call.gateway === gateway && call.status === 200);
  await until('both gateways have answered', () => gateways.every((gateway) => answered(gateway).length > 10));
  const revoked = await fetch(`${here.url}/api/v1/keys/${keyId}/revoke`, { method: 'POST', headers: operator });
  revokedAt = performance.now();
  assert.equal(revoked.status, 200);
  await Promise.all(callers);

  assert.ok((await Promise.race([feedEnded, sleep(5000, Number.POSITIVE_INFINITY)])) < revokedAt + WITHIN_MS);
  const late = (gateway: GatewayProcess) =>
    Math.max(...answered(gateway).map(({ sentAt }) => Math.round(sentAt - revokedAt)));
  context.diagnostic(`last answered call, ms after the revocation: here ${late(here)}, there ${late(there)}`);
  assert.ok(late(here) <= 0, 'the gateway that revoked it answered it afterwards');
  assert.ok(late(there) < WITHIN_MS, 'the other gateway answered it a second afterwards');
  // Whoever goes on trying is told to wait after a while.
  const afterwards = calls.filter(({ sentAt }) => sentAt > revokedAt + WITHIN_MS).map(({ status }) => status);
  assert.ok(afterwards.length > 0 && afterwards.every((status) => status === 401 || status === 429));

  const entries = await all(here, operator);
  assert.equal(entries.length, calls.filter(({ status }) => status === 200).length);
  const owners = new Set(
    entries.map(({ tenantId, keyId: by, endUserId }) => JSON.stringify([tenantId, by, endUserId])),
  );
  assert.deepEqual([...owners], [JSON.stringify(['acme', keyId, 'acme-prod'])]);
});

test('no provider ever sees a key, in whatever header it came and whatever the provider’s own credential is', async (context) => {
  const t = lastFirst(context);
  const upstream = await ScriptedUpstream.start();
  t.after(() => upstream.close());
  const completion = { choices: [{ message: { content: 'x' } }], usage: { prompt_tokens: 1, completion_tokens: 1 } };
  const provider = (over: object) => ({ baseUrl: upstream.baseUrl, api: 'openai-completions', ...over });
  const providers = {
    own: provider({ apiKey: 'sk-own' }),
    none: provider({}),
    callers: provider({ credential: 'caller' }),
  };
  const config = { gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } }, models: { providers } };
  const gateway = new GatewayProcess({ stateDir: join(scratchDirectory(t), 'state'), config });
  await gateway.start();
  t.after(async () => void (await gateway.stop()));
  const made = await fetch(`${gateway.url}/api/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}` },
    body: JSON.stringify({ tenantId: 'acme', scopes: ['dispatch'] }),
  });
  const { key } = (await made.json()) as CreatedKey;
  const ways: Record<string, string>[] = [
    { authorization: `Bearer ${key}` },
    { 'x-api-key': key },
    { 'x-goog-api-key': key },
    { 'api-key': key },
    { 'x-weighbridge-key': key },
    { 'x-weighbridge-key': key, authorization: 'Bearer sk-callers-own' },
    { 'x-weighbridge-key': key, authorization: `Bearer ${key}`, 'x-api-key': key },
    { authorization: `Bearer ${key}`, 'x-api-key': key },
  ];
  let passed = 0;
  for (const id of Object.keys(providers)) {
    for (const way of ways) {
      for (const path of [`/proxy/${id}/v1/chat/completions`, `/proxy/${id}/v1/files`, '/v1/chat/completions']) {
        upstream.answer(json(200, completion));
        const answer = await fetch(gateway.url + path, {
          method: 'POST',
          headers: { ...way, 'content-type': 'application/json' },
          body: JSON.stringify({
            model: path.startsWith('/proxy') ? 'm' : `${id}/m`,
            messages: [{ role: 'user', content: 'hi' }],
          }),
        });
        await answer.text();
        for (const { request } of upstream.received) {
          passed++;
          assert.ok(!request.rawHeaders.join('\n').includes(key.slice(-43)), `${path} with ${Object.keys(way)}`);
          const isCallers =
            id === 'callers' && way.authorization === 'Bearer sk-callers-own' && path.startsWith('/proxy');
          const expected = { own: 'Bearer sk-own', none: undefined, callers: undefined }[id];
          assert.equal(request.headers.authorization, isCallers ? way.authorization : expected, path);
        }
      }
    }
  }
  assert.ok(passed > 50, `only ${passed} requests reached the provider`);
});

async function all(gateway: GatewayProcess, headers: Record<string, string>): Promise<DispatchRecord[]> {
  const records: DispatchRecord[] = [];
  let cursor = '';
  do {
    const answer = await fetch(`${gateway.url}/api/v1/dispatches?limit=1000${cursor}`, { headers });
    const page = (await answer.json()) as List<DispatchRecord>;
    records.push(...page.data);
    cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
  } while (cursor !== '');
  return records;
}
