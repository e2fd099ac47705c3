/**
 * Every method with every kind of credential: the table is made from the list of methods itself, so that one that comes is
 * tried without anybody thinking of it. What each may is worked out here from the documented rules, not asked of the code.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { allMethods, type MethodsDeps } from '../packages/gateway/src/ws/methods/list.ts';
import type { Method } from '../packages/gateway/src/ws/methods/method.ts';
import { WireClient, WireRefusal } from './wire/client.ts';
import { startWireRig, type WireRig } from './wire/gateway.ts';
import { fieldsOf, publishedMethods } from './wire/published.ts';

const rig = await startWireRig({ after });
const byPassword = await startWireRig({ after }, { auth: { mode: 'password' }, password: 'the-password' });
const open = await startWireRig({ after }, { auth: { mode: 'none' } });

const methods = [...allMethods({} as MethodsDeps).values()] as Method[];
/** Those that OpenClaw lets decide by what is asked for; we ask for what it asks at least. */
const DYNAMIC: Readonly<Record<string, string>> = {
  agent: 'operator.write',
  'sessions.create': 'operator.write',
  'sessions.patch': 'operator.write',
  'sessions.delete': 'operator.admin',
};
const OURS = new Set(['sessions.unsubscribe', 'model.usage.subscribe', 'model.usage.unsubscribe']);
const SCOPE_SETS: readonly (readonly string[])[] = [
  [],
  ['operator.read'],
  ['operator.write'],
  ['operator.admin'],
  ['operator.approvals', 'operator.questions', 'operator.pairing'],
];
const KEY_SCOPES = [['dispatch'], ['read'], ['admin'], ['metrics'], ['dispatch', 'read']];

async function keyOf(asked: object): Promise<string> {
  const made = await fetch(`${rig.url}/api/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${rig.token}` },
    body: JSON.stringify({ tenantId: 'acme', ...asked }),
  });
  assert.equal(made.status, 201);
  return ((await made.json()) as { key: string }).key;
}

function holds(scopes: readonly string[], needed: string): boolean {
  if (scopes.includes(needed) || scopes.includes('operator.admin')) return true;
  return needed === 'operator.read' && scopes.includes('operator.write');
}

/** FORBIDDEN is the only thing that is looked at: params are empty, and most methods refuse those once they are reached. */
async function isLetIn(client: WireClient, name: string): Promise<boolean> {
  const answer = await client.request(name, {}).catch((error: unknown) => error);
  if (!(answer instanceof WireRefusal)) return true;
  assert.ok(['FORBIDDEN', 'INVALID_REQUEST'].includes(answer.code), `${name}: ${answer.message}`);
  return answer.code !== 'FORBIDDEN';
}

async function assertTable(
  what: string,
  { url }: WireRig,
  credential: { token?: string; password?: string },
  scopes: readonly string[],
  mayUse: (own: Method) => boolean,
): Promise<void> {
  const client = await WireClient.connect(url, { ...credential, scopes: [...scopes] });
  for (const own of methods) {
    assert.equal(
      await isLetIn(client, own.name),
      mayUse(own),
      `${what}, ${scopes.join(' ') || 'no scope'}: ${own.name}`,
    );
  }
  await client.close();
}

test('each method asks for the scope that OpenClaw publishes, at least', () => {
  for (const { name, scope } of methods) {
    if (OURS.has(name)) continue;
    const published = publishedMethods[name];
    assert.ok(published, `${name} is one of OpenClaw’s methods`);
    // Recorded: health answers without any scope.
    if (name === 'health') continue;
    assert.equal(scope, published.scope === 'dynamic' ? DYNAMIC[name] : published.scope, name);
  }
});

for (const [what, where, credential] of [
  ['the token', rig, { token: rig.token }],
  ['the password', byPassword, { password: 'the-password' }],
  ['the password as a token', byPassword, { token: 'the-password' }],
  ['no credential where none is asked for', open, {}],
] as const) {
  test(`${what} may use a method exactly where it was granted the method’s scope`, async () => {
    for (const scopes of SCOPE_SETS) {
      await assertTable(what, where, credential, scopes, ({ scope }) => scope === null || holds(scopes, scope));
    }
  });
}

for (const own of KEY_SCOPES) {
  test(`a key with ${own.join(' and ')} may use what both of its lists let it use, and nothing of the operator’s`, async () => {
    const token = await keyOf({ scopes: own });
    const held = own.flatMap((scope) =>
      scope === 'dispatch' ? ['operator.write'] : scope === 'metrics' ? [] : [`operator.${scope}`],
    );
    for (const asked of [...SCOPE_SETS, ['operator.read', 'operator.write', 'operator.admin']]) {
      const scopes = asked.filter((scope) => holds(held, scope));
      await assertTable(`a key with ${own.join()} asking for ${asked.join()}`, rig, { token }, asked, (method) => {
        const { scope, keyScopes, operatorOnly } = method;
        if (scope !== null && !holds(scopes, scope)) return false;
        return operatorOnly !== true && (keyScopes.length === 0 || keyScopes.some((one) => own.includes(one)));
      });
    }
  });
}

test('a key sees its own tenant: no session, run or count of another’s, by key, id, label or event', async () => {
  const [operator, tenant] = await Promise.all([
    WireClient.connect(rig.url, { token: rig.token }),
    WireClient.connect(rig.url, { token: await keyOf({ tenantId: 'apart', scopes: ['dispatch', 'read', 'admin'] }) }),
  ]);
  const key = 'agent:main:shared-name';
  interface Final {
    result: { meta: { agentMeta: { sessionId: string } } };
  }
  const mine = await operator.final<Final>('agent', {
    message: 'the operator’s',
    sessionKey: key,
    idempotencyKey: 'same',
  });
  await operator.request('sessions.patch', { key, label: 'operators' });
  const theirs = await tenant.final<Final>('agent', {
    message: 'the tenant’s',
    sessionKey: key,
    idempotencyKey: 'same',
  });
  const { sessionId } = mine.result.meta.agentMeta;
  assert.notEqual(theirs.result.meta.agentMeta.sessionId, sessionId);
  for (const which of [{ sessionId }, { label: 'operators' }]) {
    await assert.rejects(tenant.request('sessions.resolve', which), /No session found/);
  }
  const history = await tenant.request<{ messages: { content: unknown }[] }>('chat.history', { sessionKey: key });
  assert.equal(history.messages.length, 2);
  assert.equal(history.messages[0]!.content, 'the tenant’s');
  const listed = await tenant.request<{ sessions: { sessionId: string }[] }>('sessions.list', {});
  assert.deepEqual(
    listed.sessions.map((row) => row.sessionId),
    [theirs.result.meta.agentMeta.sessionId],
  );
  const usage = await tenant.request<{ totals: { totalTokens: number } }>('usage.cost', { days: 1 });
  const all = await operator.request<{ totals: { totalTokens: number } }>('usage.cost', { days: 1 });
  assert.ok(usage.totals.totalTokens > 0 && all.totals.totalTokens > 0);
  const heard = JSON.stringify(tenant.events);
  assert.ok(
    !heard.includes(sessionId) && !JSON.stringify(operator.events).includes(theirs.result.meta.agentMeta.sessionId),
  );
  await Promise.all([operator.close(), tenant.close()]);
});

/** For whatever field of a method's params may name something of another's. */
const OTHERS = {
  ...{
    label: 'the-victims-label',
    search: 'victim',
    agentId: 'main',
    includeLastMessage: true,
    includeDerivedTitles: true,
  },
  ...{ message: 'mine', limit: 100, timeoutMs: 20, outboundHeaders: { 'x-mine': '1' }, allowMissing: true },
};

test('every method with another tenant’s names in every field shows nothing of it and changes nothing', async () => {
  const key = 'agent:main:victim';
  const victim = await WireClient.connect(rig.url, {
    token: await keyOf({ tenantId: 'victim', scopes: ['dispatch', 'read', 'admin'] }),
  });
  const attacker = await WireClient.connect(rig.url, {
    token: await keyOf({ tenantId: 'attacker', scopes: ['dispatch', 'read', 'admin'] }),
  });
  await attacker.request('sessions.subscribe', {});
  await attacker.request('sessions.messages.subscribe', { key });
  await attacker.request('model.usage.subscribe');
  await victim.final('agent', { message: 'a victim’s word', sessionKey: key, idempotencyKey: 'victims-run' });
  const secrets = ['victim’s word', 'x-victims-header', 'victims-value'];
  const outboundHeaders = { [secrets[1]!]: secrets[2] };
  const model = 'scripted/ok-500+gap-20ms';
  await victim.request('sessions.patch', { key, label: OTHERS.label, model, outboundHeaders });
  await victim.request('chat.send', {
    sessionKey: key,
    message: 'a victim’s word',
    idempotencyKey: 'victims-live-run',
  });
  await victim.event('chat', ({ state }: { state: string }) => state === 'delta');
  const standing = async (): Promise<Record<string, unknown>> => {
    const { session } = await victim.request<{ session: Record<string, unknown> }>('sessions.describe', { key });
    const { messages } = await victim.request<{ messages: object[] }>('chat.history', { sessionKey: key });
    return { ...session, snapshotAt: 0, messages };
  };
  const before = await standing();
  const heard: unknown[] = [];
  for (const runId of ['victims-run', 'victims-live-run']) {
    heard.push(await attacker.request('agent.wait', { runId, timeoutMs: 20 }));
    const named = { key, sessionKey: key, keys: [key], sessionId: before.sessionId, runId, idempotencyKey: runId };
    for (const { name, schema, extra = {} } of methods) {
      const fields = new Set([...fieldsOf(schema), ...Object.keys(extra)]);
      // Also by what else could choose one: by id alone, by label alone, by run alone.
      for (const left of [[], ['key', 'sessionKey'], ['key', 'sessionKey', 'sessionId']]) {
        const all = Object.entries({ ...OTHERS, ...named, model: 'scripted/ok-3' });
        const asked = all.filter(([field]) => fields.has(field) && !left.includes(field));
        heard.push(await attacker.final(name, Object.fromEntries(asked)).catch((error: WireRefusal) => error.message));
      }
    }
  }
  assert.deepEqual(heard[0], { runId: 'victims-run', status: 'timeout' });
  const shown = JSON.stringify([heard, attacker.events]);
  for (const secret of secrets) assert.ok(!shown.includes(secret), secret);
  assert.deepEqual(await standing(), before);
  assert.equal(before.hasActiveRun, true);
  await victim.request('chat.abort', { sessionKey: key });
  await Promise.all([victim.close(), attacker.close()]);
});

test('a key that is bound to an agent runs that one, in its sessions, and sees no other', async () => {
  const client = await WireClient.connect(rig.url, {
    token: await keyOf({ scopes: ['dispatch', 'read'], agentId: 'other' }),
  });
  const own = { message: 'x', idempotencyKey: 'bound-1' };
  await client.final('agent', { ...own, sessionKey: 'mine' });
  const refused: [string, object][] = [
    ['agent', { ...own, idempotencyKey: 'bound-2', agentId: 'main' }],
    ['agent', { ...own, idempotencyKey: 'bound-3', sessionKey: 'agent:main:x' }],
    ['chat.send', { ...own, idempotencyKey: 'bound-4', sessionKey: 'agent:main:x' }],
    ['chat.history', { sessionKey: 'agent:main:x' }],
    ['sessions.describe', { key: 'agent:main:x' }],
    ['sessions.patch', { key: 'agent:main:x', label: 'x' }],
    ['sessions.messages.subscribe', { key: 'agent:main:x' }],
    ['chat.abort', { sessionKey: 'agent:main:x' }],
  ];
  for (const [method, params] of refused) {
    await assert.rejects(client.request(method, params), (error: WireRefusal) => error.code === 'FORBIDDEN', method);
  }
  const agents = await client.request<{ agents: { id: string }[] }>('agents.list', {});
  assert.deepEqual(
    agents.agents.map(({ id }) => id),
    ['other'],
  );
  await client.close();
});

test('a key that may only read hears no word of what is said', async () => {
  const reader = await WireClient.connect(rig.url, { token: await keyOf({ scopes: ['read'] }) });
  const speaker = await WireClient.connect(rig.url, { token: await keyOf({ scopes: ['dispatch'] }) });
  await speaker.final('agent', { message: 'a secret word', sessionKey: 'agent:main:words', idempotencyKey: 'words' });
  const listed = await reader.request('sessions.list', { includeLastMessage: true });
  const all = JSON.stringify([reader.events, listed]);
  assert.ok(all.includes('agent:main:words'));
  assert.ok(!/secret word|w\d+-0/.test(all));
  await Promise.all([reader.close(), speaker.close()]);
});

test('a revoked key’s connection is closed within a second', async () => {
  const token = await keyOf({ scopes: ['read'] });
  const client = await WireClient.connect(rig.url, { token });
  const keys = await fetch(`${rig.url}/api/v1/keys`, { headers: { authorization: `Bearer ${rig.token}` } });
  const [newest] = ((await keys.json()) as { data: { keyId: string }[] }).data;
  const at = performance.now();
  await fetch(`${rig.url}/api/v1/keys/${newest!.keyId}/revoke`, {
    method: 'POST',
    headers: { authorization: `Bearer ${rig.token}` },
  });
  assert.deepEqual(await client.closed, { code: 1008, reason: 'credential revoked' });
  // A second, and what a machine that does much else may add.
  assert.ok(performance.now() - at < 3_000);
  const again = await WireClient.challenged(rig.url);
  await assert.rejects(again.greet({ token }), /token mismatch/);
});

test('every method that there is stands in docs/ws.md', () => {
  const doc = readFileSync(new URL('../docs/ws.md', import.meta.url), 'utf8');
  const missing = methods.filter(
    ({ name }) => !doc.includes(`\`${name}\``) && !doc.includes(`\`.${name.split('.').slice(1).join('.')}\``),
  );
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});
