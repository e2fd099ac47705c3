/**
 * Turns over the WebSocket, through the whole program: run, stream, abort, wait, replay; sessions made, changed, listed and
 * forgotten; and every count that a frame carries is the ledger's.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import type { DispatchRecord, List } from '@weighbridge/protocol';
import { until } from './rig/until.ts';
import { WireClient, WireRefusal } from './wire/client.ts';
import { startWireRig } from './wire/gateway.ts';
import type { AgentFinal, AgentPayload, ChatPayload, RunUsage } from './wire/payloads.ts';
import type { WireFrame } from './wire/published.ts';

const SLOW = 'scripted/ok-200+gap-20ms';
const rig = await startWireRig({ after }, { limits: { deltaIntervalMs: 20 } });

const client = await WireClient.connect(rig.url, { token: rig.token });
after(() => client.close());

async function dispatchesOf(sessionKey: string): Promise<DispatchRecord[]> {
  const url = `${rig.url}/api/v1/dispatches?session=${encodeURIComponent(sessionKey)}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${rig.token}` } });
  return ((await answer.json()) as List<DispatchRecord>).data;
}

function payloads<Payload>(name: string, runId: string): Payload[] {
  return client.events
    .filter(({ event, payload }) => event === name && (payload as { runId: string }).runId === runId)
    .map(({ payload }) => payload as Payload);
}

function ended(runId: string): Promise<WireFrame> {
  return client.event('agent', ({ runId: own, data }: AgentPayload) => own === runId && data.phase === 'end');
}

function chatEnd(runId: string): Promise<WireFrame> {
  return client.event('chat', ({ runId: own, state }: ChatPayload) => {
    return own === runId && ['final', 'aborted', 'error'].includes(state);
  });
}

test('agent answers twice, its end has the ledger’s count, and the same key replays it without another call', async () => {
  const runId = randomUUID();
  const params = { message: 'hello', sessionKey: 'agent:main:first', idempotencyKey: runId };
  const final = await client.final<AgentFinal>('agent', params);
  assert.equal(final.status, 'ok');
  assert.equal(final.runId, runId);
  const [entry, ...others] = await dispatchesOf('agent:main:first');
  assert.deepEqual(others, []);
  assert.equal(entry!.agentId, 'main');
  assert.equal(entry!.sessionId, final.result.meta.agentMeta.sessionId);
  const { input, output, cacheRead, cacheWrite } = entry!.usage!;
  const { usage } = final.result.meta.agentMeta;
  assert.deepEqual(
    { input: usage.input, output: usage.output, cacheRead: usage.cacheRead, cacheWrite: usage.cacheWrite },
    { input, output, cacheRead, cacheWrite },
  );
  assert.equal(usage.total, entry!.usage!.total);
  assert.equal(usage.cost!.total, Number(entry!.cost!.usd));
  const [end] = payloads<AgentPayload>('agent', runId).filter(({ data }) => data.phase === 'end');
  assert.deepEqual(end!.data.usage, usage);
  assert.deepEqual(payloads<ChatPayload>('chat', runId).at(-1)!.usage, usage);

  assert.deepEqual(await client.request('agent', params), final, 'one answer, and no other run');
  assert.equal((await dispatchesOf('agent:main:first')).length, 1);
  const waited = await client.request('agent.wait', { runId, timeoutMs: 1000 });
  assert.equal(waited.status, 'ok');
  await assert.rejects(
    client.request('agent', { ...params, message: 'something else' }),
    (error: WireRefusal) => error.frame.error!.details!.code === 'idempotency_mismatch',
  );
});

test('chat.send streams pieces that make up the answer, and its final carries the usage', async () => {
  const runId = randomUUID();
  await client.request('sessions.patch', { key: 'agent:main:chat', model: 'scripted/ok-20+gap-1ms' });
  const sent = await client.request('chat.send', {
    sessionKey: 'agent:main:chat',
    message: 'tell me',
    idempotencyKey: runId,
  });
  assert.deepEqual(sent, { runId, status: 'started' });
  const final = (await chatEnd(runId)).payload as ChatPayload;
  assert.equal(final.state, 'final');
  const deltas = payloads<ChatPayload>('chat', runId).filter(({ state }) => state === 'delta');
  const whole = final.message.content[0]!.text;
  assert.equal(deltas.map(({ deltaText }) => deltaText).join(''), whole);
  const assistant = payloads<AgentPayload>('agent', runId).filter(({ stream }) => stream === 'assistant');
  assert.equal(assistant.map(({ data }) => data.delta).join(''), whole);
  assert.equal(assistant.at(-1)!.data.text, whole);
  const [entry] = await dispatchesOf('agent:main:chat');
  assert.equal(entry!.model, 'ok-20+gap-1ms', 'the session’s own model');
  assert.equal(final.usage!.output, entry!.usage!.output);
  const again = { sessionKey: 'agent:main:chat', message: 'tell me', idempotencyKey: runId };
  assert.deepEqual(await client.request('chat.send', again), { runId, status: 'ok' });
  assert.equal((await dispatchesOf('agent:main:chat')).length, 1);
});

/** A turn whose answer has begun and lasts. */
async function writingTurn(sessionKey: string): Promise<string> {
  const runId = randomUUID();
  await client.request('sessions.patch', { key: sessionKey, model: SLOW });
  await client.request('chat.send', { sessionKey, message: 'long', idempotencyKey: runId });
  await client.event('chat', ({ runId: own, state }: ChatPayload) => own === runId && state === 'delta');
  return runId;
}

test('a session that is deleted over HTTP takes its turns with it', async () => {
  const [sessionKey, waiting] = ['agent:main:gone', randomUUID()];
  const running = await writingTurn(sessionKey);
  await client.request('chat.send', { sessionKey, message: 'and then', idempotencyKey: waiting });
  const authorization = `Bearer ${rig.token}`;
  const url = `${rig.url}/api/v1/sessions/${encodeURIComponent(sessionKey)}`;
  assert.equal((await fetch(url, { method: 'DELETE', headers: { authorization } })).status, 200);
  for (const runId of [running, waiting]) {
    assert.equal(((await chatEnd(runId)).payload as ChatPayload).state, 'aborted');
  }
  const [entry, ...others] = await dispatchesOf(sessionKey);
  assert.deepEqual([entry!.outcome, others.length], ['aborted', 0]);
  assert.equal((await fetch(url, { headers: { authorization } })).status, 404, 'nothing made it anew');
});

test('a transcript that is deleted over HTTP while a turn writes stays deleted', async () => {
  const sessionKey = 'agent:main:unsaid';
  const runId = await writingTurn(sessionKey);
  const headers = { authorization: `Bearer ${rig.token}` };
  const url = `${rig.url}/api/v1/sessions/${encodeURIComponent(sessionKey)}`;
  assert.equal((await fetch(`${url}?transcriptOnly=true`, { method: 'DELETE', headers })).status, 200);
  assert.equal(((await chatEnd(runId)).payload as ChatPayload).state, 'aborted');
  const transcript = await fetch(`${url}/transcript`, { headers });
  assert.deepEqual(((await transcript.json()) as { data: unknown[] }).data, []);
});

test('an abort ends the run at once, keeps its text and its count', async () => {
  const runId = await writingTurn('agent:main:abort');
  const aborted = await client.request('chat.abort', { sessionKey: 'agent:main:abort', runId });
  assert.deepEqual(aborted, { ok: true, aborted: true, runIds: [runId] });
  const end = (await chatEnd(runId)).payload as ChatPayload;
  assert.equal(end.state, 'aborted');
  const text = end.message.content[0]!.text;
  assert.ok(text.length > 0);
  const life = (await ended(runId)).payload as AgentPayload;
  assert.equal(life.data.aborted, true);
  const [entry] = await dispatchesOf('agent:main:abort');
  assert.equal(entry!.outcome, 'aborted');
  assert.equal(life.data.usage!.output, entry!.usage!.output);
  const again = await client.request('chat.abort', { sessionKey: 'agent:main:abort', runId });
  assert.deepEqual(again, { ok: true, aborted: false, runIds: [] });
  const waited = await client.request('agent.wait', { runId, timeoutMs: 500 });
  assert.equal(waited.status, 'error');
  assert.equal(waited.error, 'aborted');
  const history = await client.request<{ messages: { role: string; content: unknown; usage: RunUsage }[] }>(
    'chat.history',
    { sessionKey: 'agent:main:abort' },
  );
  assert.deepEqual(
    history.messages.map(({ role }) => role),
    ['user', 'assistant'],
  );
  assert.deepEqual(history.messages[1]!.content, [{ type: 'text', text }]);
  assert.equal(history.messages[1]!.usage.output, entry!.usage!.output);
});

test('a provider’s failure is told as a payload and an error, and as events', async () => {
  const runId = randomUUID();
  const params = {
    message: 'x',
    sessionKey: 'agent:main:fails',
    idempotencyKey: runId,
    provider: 'scripted',
    model: 'status-400',
  };
  const failure = await client.final('agent', params).catch((error: WireRefusal) => error);
  assert.ok(failure instanceof WireRefusal);
  assert.equal(failure.code, 'UNAVAILABLE');
  const payload = failure.frame.payload as { runId: string; status: string; summary: string };
  assert.deepEqual({ runId: payload.runId, status: payload.status }, { runId, status: 'error' });
  assert.equal(payload.summary, failure.message);
  assert.equal(((await chatEnd(runId)).payload as ChatPayload).state, 'error');
});

test('who follows sessions and their messages hears of both, and others do not', async () => {
  const follower = await WireClient.connect(rig.url, { token: rig.token });
  const key = 'agent:main:followed';
  assert.deepEqual(await follower.request('sessions.subscribe', {}), { subscribed: true });
  assert.deepEqual(await follower.request('sessions.messages.subscribe', { key }), { subscribed: true, key });
  await client.request('sessions.patch', { key, label: 'watched' });
  const patched = await follower.event('sessions.changed', ({ reason }: { reason: string }) => reason === 'patch');
  assert.equal((patched.payload as { session: { label: string } }).session.label, 'watched');
  await client.final('agent', { message: 'hi', sessionKey: key, idempotencyKey: randomUUID() });
  const said = await follower.event(
    'session.message',
    ({ message }: { message: { role: string } }) => message.role === 'assistant',
  );
  const { session, messageSeq } = said.payload as { session: { usageLast: RunUsage }; messageSeq: number };
  assert.equal(messageSeq, 2);
  assert.ok(session.usageLast.output > 0);
  await client.request('chat.inject', { sessionKey: key, message: 'a note', label: 'Note' });
  const note = await follower.event('session.message', ({ message }: { message: { content: { text: string }[] } }) =>
    message.content[0]!.text?.includes('a note'),
  );
  assert.equal(
    (note.payload as { message: { content: { text: string }[] } }).message.content[0]!.text,
    '[Note]\n\na note',
  );
  assert.equal(client.events.filter(({ event }) => event === 'session.message').length, 0);
  await follower.close();
});

test('sessions are created, described, found, previewed, reset and deleted', async () => {
  interface Created {
    key: string;
    sessionId: string;
    runStarted: boolean;
  }
  const created = await client.request<Created>('sessions.create', { agentId: 'main', label: 'made here' });
  assert.match(created.key, /^agent:main:dashboard:/);
  assert.equal(created.runStarted, false);
  const { key } = created;
  await assert.rejects(client.request('sessions.create', { key, model: SLOW }), /exists already/);
  await assert.rejects(
    client.request('sessions.patch', { key: 'agent:main:another', label: 'made here' }),
    /label already in use: made here/,
  );
  assert.deepEqual(await client.request('sessions.resolve', { label: 'made here' }), {
    ok: true,
    key,
    agentId: 'main',
  });
  await assert.rejects(
    client.request('sessions.resolve', { key: 'agent:main:never' }),
    /^WireRefusal|No session found: agent:main:never/,
  );
  await client.final('agent', { message: 'say', sessionKey: key, idempotencyKey: randomUUID() });
  const described = await client.request<{ session: Record<string, never> }>('sessions.describe', { key });
  const row = described.session as Record<string, unknown>;
  assert.equal(row.sessionId, created.sessionId);
  assert.equal(row.status, 'done');
  const [entry] = await dispatchesOf(key);
  assert.equal(row.outputTokens, entry!.usage!.output);
  assert.equal((row.usageTotal as RunUsage).output, entry!.usage!.output);
  const previews = await client.request<{ previews: { status: string; items: { role: string }[] }[] }>(
    'sessions.preview',
    { keys: [key, 'agent:main:never'], limit: 3 },
  );
  assert.deepEqual(
    previews.previews.map(({ status, items }) => [status, items.length]),
    [
      ['ok', 2],
      ['missing', 0],
    ],
  );
  const listed = await client.request<{ sessions: { key: string }[]; totalCount: number }>('sessions.list', {
    search: 'made here',
    includeLastMessage: true,
  });
  assert.deepEqual(
    listed.sessions.map((own) => own.key),
    [key],
  );
  const reset = await client.request<{ entry: { sessionId: string; label: string } }>('sessions.reset', { key });
  assert.deepEqual([reset.entry.sessionId, reset.entry.label], [created.sessionId, 'made here']);
  const after = (await client.request<{ session: Record<string, unknown> }>('sessions.describe', { key })).session;
  assert.equal((after.usageTotal as RunUsage).output, 0, 'counts start anew');
  assert.deepEqual(await client.request('sessions.delete', { key }), { ok: true, key, deleted: true, archived: [] });
  assert.deepEqual(await client.request('sessions.delete', { key }), { ok: true, key, deleted: false, archived: [] });
  await assert.rejects(client.request('sessions.delete', { key: 'agent:main:main' }), /Cannot delete the main session/);
});

test('a note is put into a session that it makes itself, and what is said next knows it', async () => {
  const key = 'agent:main:noted';
  const { messageId } = await client.request('chat.inject', { sessionKey: key, message: 'a note' });
  await client.final('agent', { message: 'hi', sessionKey: key, idempotencyKey: randomUUID() });
  const { messages } = await client.request<{ messages: { role: string; __openclaw: { id: string } }[] }>(
    'chat.history',
    { sessionKey: key },
  );
  assert.deepEqual([messages[0]!.__openclaw.id, messages.length], [messageId, 3]);
});

test('a user’s session is found by its listed key, and is nobody’s whose name differs in its case', async () => {
  const call = (model: string, user: string) =>
    fetch(`${rig.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rig.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, user, messages: [{ role: 'user', content: `I am ${user}` }] }),
    }).then((answer) => answer.text());
  for (const user of ['Ann', 'ann']) await call('openclaw/main', user);
  await call('scripted/ok-3', 'Ann');
  const listed = await client.request<{ sessions: { key: string }[] }>('sessions.list', { search: 'openai-user:ann' });
  const keys = listed.sessions.map(({ key }) => key).sort();
  assert.deepEqual(keys, ['agent:main:openai-user:Ann', 'agent:main:openai-user:ann', 'direct:openai-user:Ann']);
  for (const key of keys) {
    const { session } = await client.request<{ session: { key: string } }>('sessions.describe', { key });
    assert.equal(session.key, key);
    const history = () => client.request<{ messages: { content: unknown }[] }>('chat.history', { sessionKey: key });
    await until('the call is appended', async () => (await history()).messages.length > 0);
    assert.equal((await history()).messages[0]!.content, `I am ${key.split(':').at(-1)}`);
  }
  const turn = { sessionKey: 'direct:openai-user:Ann', message: 'x', idempotencyKey: randomUUID() };
  await assert.rejects(client.request('chat.send', turn), /of direct calls/);
  await assert.rejects(client.request('agent', turn), /of direct calls/);
});

test('what a patch cannot mean is refused by its name', async () => {
  const key = 'agent:main:patched';
  const cases: [object, RegExp][] = [
    [{ model: 'nope/none' }, /Unknown provider "nope"/],
    [{ thinkingLevel: 'high' }, /thinkingLevel "high" is not supported/],
    [{ execHost: 'x' }, /execHost has no meaning/],
    [{ permissionMode: 'full' }, /permissionMode has no meaning/],
    [{ outboundHeaders: { authorization: 'x' } }, /authorization/],
    [{ outboundHeaders: { 'x-a': 'b\r\nx-c: d' } }, /x-a/],
    [{ expectedSessionId: 'other' }, /is not other any more/],
    [{ nope: 1 }, /unexpected property 'nope'/],
    // No database keeps these.
    [{ icon: 'a\0' }, /no such value for `icon`/],
    [{ label: 'a\ud800' }, /`label` must be/],
    [{ key: `${key}\0` }, /holds a NUL/],
  ];
  for (const [patch, message] of cases) {
    await assert.rejects(client.request('sessions.patch', { key, ...patch }), message, JSON.stringify(patch));
  }
  const patched = await client.request<{ entry: Record<string, unknown> }>('sessions.patch', {
    key,
    outboundHeaders: { 'x-customer': 'acme' },
    pinned: true,
  });
  assert.deepEqual(patched.entry.outboundHeaderNames, ['x-customer']);
  assert.equal(patched.entry.pinned, true);
  assert.ok(!JSON.stringify(patched).includes('acme'), 'values are nobody’s to read');
});

test('what OpenClaw refuses is refused in its words', async () => {
  const cases: [string, object, string][] = [
    ['chat.send', {}, 'session mutation target is unavailable'],
    [
      'chat.send',
      { sessionKey: 'agent:main:x', message: 'x' },
      "invalid chat.send params: must have required property 'idempotencyKey'",
    ],
    [
      'chat.send',
      { sessionKey: 'agent:nope:x', message: 'x', idempotencyKey: 'k1' },
      'Agent "nope" no longer exists in configuration',
    ],
    ['chat.send', { sessionKey: 'agent:main:x', message: '', idempotencyKey: 'k2' }, 'message or attachment required'],
    ['agent', { message: 'x', agentId: 'nope', idempotencyKey: 'k3' }, 'invalid agent params: unknown agent id "nope"'],
    ['sessions.list', { limit: 'x' }, 'invalid sessions.list params: at /limit: must be integer'],
    ['sessions.patch', { label: 'q' }, "invalid sessions.patch params: must have required property 'key'"],
  ];
  for (const [method, params, message] of cases) {
    await assert.rejects(client.request(method, params), { message }, `${method} ${JSON.stringify(params)}`);
  }
  assert.deepEqual(await client.request('agent.wait', { runId: 'never', timeoutMs: 10 }), {
    runId: 'never',
    status: 'timeout',
  });
});

test('usage.cost is the sum of the ledger, day by day', async () => {
  const cost = await client.request<{
    daily: { totalTokens: number; totalCost: number }[];
    totals: RunUsage & { totalCost: number };
  }>('usage.cost', { days: 7 });
  const answer = await fetch(`${rig.url}/api/v1/usage`, { headers: { authorization: `Bearer ${rig.token}` } });
  const { totals } = (await answer.json()) as { totals: Record<string, string> };
  assert.equal(cost.daily.length, 7);
  assert.equal(cost.totals.output, Number(totals.output));
  assert.equal(cost.totals.totalCost, Number(totals.costUsd));
  const daily = cost.daily.reduce((sum, day) => sum + day.totalTokens, 0);
  assert.equal(daily, Number(totals.total));
});
