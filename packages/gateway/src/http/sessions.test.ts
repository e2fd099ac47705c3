/** Sessions over HTTP as a client asks: whose they are, what is shown of them, and what of a transcript goes out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiError, WeighbridgeClient } from '@weighbridge/client';
import { Door, TOKEN } from './door.fixture.ts';

const door = new Door();
let operator: WeighbridgeClient;
before(async () => {
  await door.open({ everything: true });
  operator = new WeighbridgeClient({ url: door.base, token: TOKEN });
});
after(() => door.close());

async function keyOf(
  tenantId: string,
  scopes: readonly ('dispatch' | 'read' | 'admin')[],
  agentId: string | null = null,
) {
  const forced = { attribution: {}, outbound: {} };
  const order = { tenantId, name: '', scopes, agentId, forced, createdBy: null, expiresAt: null };
  return new WeighbridgeClient({ url: door.base, token: (await door.keys.create(order)).text });
}

const refusedWith = (status: number, message: RegExp) => (error: unknown) =>
  error instanceof ApiError && error.status === status && message.test(error.message);

test('a patch makes a session and shows names of headers, never a value', async () => {
  const acme = await keyOf('acme', ['dispatch', 'read']);
  const key = 'agent:main:a/b c:ö';
  const made = await acme.patchSession(key, {
    label: 'Mine',
    overrides: { model: 'p/m', thinkingLevel: 'off' },
    outboundHeaders: { 'X-Customer': 'geheim', 'x-team': 'one' },
  });
  assert.deepEqual([made.label, made.agentId, made.outboundHeaders], ['Mine', 'main', ['x-customer', 'x-team']]);
  const patched = await acme.patchSession(key, {
    outboundHeaders: { 'x-team': null },
    overrides: { thinkingLevel: null },
  });
  assert.deepEqual([patched.outboundHeaders, patched.overrides], [['x-customer'], { model: 'p/m' }]);
  assert.ok(!JSON.stringify([made, patched, await acme.sessions()]).includes('geheim'));
  assert.deepEqual(patched.usageTotal.dispatches, 0);
  assert.equal((await acme.session(key)).sessionId, made.sessionId);
});

test('a tenant’s sessions are its own; an agent’s key changes its agent’s only', async () => {
  const [acme, other] = [
    await keyOf('one', ['dispatch', 'read', 'admin']),
    await keyOf('two', ['dispatch', 'read', 'admin']),
  ];
  await acme.patchSession('agent:main:s', { label: 'x' });
  await assert.rejects(other.session('agent:main:s'), refusedWith(404, /no session/));
  await assert.rejects(other.deleteSession('agent:main:s'), refusedWith(404, /no session/));
  await assert.rejects(other.session('agent:main:s', { tenant: 'one' }), refusedWith(403, /its own tenant/));
  assert.deepEqual((await other.sessions()).data, []);
  assert.equal((await operator.session('agent:main:s', { tenant: 'one' })).label, 'x');
  const bound = await keyOf('one', ['dispatch'], 'ops');
  await assert.rejects(bound.patchSession('agent:main:s', { label: 'y' }), refusedWith(403, /'ops' only/));
  const all = await keyOf('one', ['dispatch', 'read', 'admin'], 'ops');
  await all.patchSession('agent:ops:s', {});
  assert.deepEqual(
    (await all.sessions()).data.map(({ sessionKey }) => sessionKey),
    ['agent:ops:s'],
  );
  const refused = refusedWith(403, /'ops' only/);
  await assert.rejects(all.session('agent:main:s'), refused);
  await assert.rejects(all.transcript('agent:main:s'), refused);
  await assert.rejects(all.deleteSession('agent:main:s'), refused);
});

test('a key is the one that calls have: lower-cased but for a user’s name, and whole', async () => {
  const caller = await keyOf('spelt', ['dispatch', 'read']);
  const key = (given: string) => caller.patchSession(given, {}).then(({ sessionKey }) => sessionKey);
  assert.equal(await key('agent:Main:Foo'), 'agent:main:foo');
  assert.equal(await key('agent:main:openai-user:Bob'), 'agent:main:openai-user:Bob');
  assert.equal(await key('direct:openai-user:Bob'), 'direct:openai-user:Bob');
  assert.equal((await caller.session('AGENT:main:FOO')).sessionKey, 'agent:main:foo');
  await assert.rejects(caller.session('agent:main:openai-user:bob'), refusedWith(404, /no session/));
  await assert.rejects(key('foo'), refusedWith(400, /agent:<agent>:foo/));
});

test('what cannot be is refused by its name', async () => {
  const cases: [unknown, RegExp][] = [
    [{ nope: 1 }, /not `nope`/],
    [{ label: '' }, /`label` must be/],
    [{ overrides: { model: 'no/such' } }, /names a model that is not there/],
    [{ overrides: { hacked: 1 } }, /has no `hacked`/],
    [{ overrides: { thinkingLevel: ['a'] } }, /takes no such value/],
    [{ outboundHeaders: { authorization: 'Bearer x' } }, /'authorization' cannot be set/],
    [{ outboundHeaders: 'x' }, /must be an object/],
  ];
  for (const [changes, message] of cases) {
    await assert.rejects(operator.patchSession('agent:main:bad', changes as never), refusedWith(400, message));
  }
  await assert.rejects(operator.session('agent:main:bad'), refusedWith(404, /no session/), 'nothing was made');
  await assert.rejects(operator.sessions({ cursor: 'x' }), refusedWith(400, /cursor/));
});

test('pages of sessions hold each once', async () => {
  const caller = await keyOf('pages', ['dispatch', 'read']);
  for (let i = 0; i < 5; i++) await caller.patchSession(`agent:main:${i}`, {});
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await caller.sessions({ limit: 2, cursor });
    seen.push(...page.data.map(({ sessionKey }) => sessionKey));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(
    seen.toSorted(),
    ['0', '1', '2', '3', '4'].map((i) => `agent:main:${i}`),
  );
});

test('a transcript goes out in pages, and whole as OpenClaw’s lines', async () => {
  const key = 'agent:main:talk';
  const { sessionId } = await operator.patchSession(key, {});
  const messages = Array.from({ length: 450 }, (_, i) => ({
    role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
    text: `t${i}`,
    messageId: `msg_${String(i).padStart(26, '0')}`,
    at: 1_000 + i,
    runId: null,
  }));
  await door.sessions.append({
    ...{
      tenantId: 'default',
      sessionKey: key,
      sessionId,
      laneHolder: null,
      runId: 'run_1',
      startedAt: 1,
      outcome: null,
    },
    messages,
  });
  const page = await operator.transcript(key, { limit: 2 });
  assert.deepEqual([page.data.map(({ text }) => text), page.nextCursor], [['t448', 't449'], '449']);
  const bytes: Uint8Array[] = [];
  for await (const chunk of await operator.exportTranscript(key)) bytes.push(chunk);
  const lines = Buffer.concat(bytes)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([lines[0].type, lines[0].version, lines[0].id], ['session', 4, sessionId]);
  assert.equal(lines.length, 451);
  assert.deepEqual(
    lines.slice(1).map(({ parentId }) => parentId),
    [null, ...messages.map(({ messageId }) => messageId)].slice(0, -1),
  );
  assert.deepEqual([lines[1].message.role, lines[1].message.content], ['user', 't0']);
  assert.deepEqual(lines[2].message.content, [{ type: 'text', text: 't1' }]);
  const deleted = await operator.deleteSession(key, { transcriptOnly: true });
  assert.equal(deleted.deleted, 'transcript');
  assert.deepEqual((await operator.transcript(key)).data, []);
  assert.equal((await operator.deleteSession(key)).deleted, 'session');
});
