/** Turns of sessions against a real upstream and a real ledger: their order, their text, their count, their ends. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ENGINES, freshDatabase } from '../../../../test/rig/databases.ts';
import {
  type Answering,
  EVENT_STREAM,
  json,
  ScriptedUpstream,
  stream,
} from '../../../../test/rig/scripted-upstream.ts';
import { StoreUnavailable } from '../store/store.ts';
import { Rig, type RigOptions, SSE, USAGE } from './metered.fixture.ts';
import type { TurnEvent, TurnRequest } from './turn.ts';
import { errorOf } from './turn-ends.ts';

const AGENT = { id: 'main', model: 'up/m', fallbacks: [], instructions: 'Be kind.' };
const ASKED: TurnRequest = {
  caller: { tenantId: 'default', keyId: null, scopes: new Set(['dispatch']) },
  door: 'agent',
  sessionKey: 'agent:main:s',
  agentId: null,
  message: 'hello',
  idempotencyKey: null,
};
const answering = (...texts: string[]): Answering =>
  stream(SSE.role, ...texts.map((text) => SSE.text(text)), SSE.stop, SSE.usage, SSE.done);

/** Answers when it is told to. */
function held(...texts: string[]): { answering: Answering; came: Promise<void>; go: () => void } {
  const came = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  return {
    came: came.promise,
    go: () => go.resolve(),
    answering: (response, received) => {
      response.writeHead(200, EVENT_STREAM);
      for (const text of texts) response.write(SSE.text(text));
      came.resolve();
      void go.promise.then(() => response.end(Buffer.concat([SSE.stop, SSE.usage, SSE.done])));
      void received;
    },
  };
}

let upstream: ScriptedUpstream;
const sent = () =>
  upstream.received.map(({ body }) => JSON.parse(body).messages as { role: string; content: string }[]);
before(async () => {
  upstream = await ScriptedUpstream.start();
});
after(() => upstream.close());

async function opened(t: { after(end: () => Promise<void>): void }, options: RigOptions = {}): Promise<Rig> {
  const rig = await Rig.open(upstream.baseUrl, { agents: [AGENT], ...options });
  t.after(() => rig.close());
  return rig;
}

for (const engine of ENGINES) {
  describe(`on ${engine}`, () => {
    test('a turn sends what was said before, keeps what is said now, and counts what the ledger counts', async (t) => {
      const rig = await opened(t, { database: await freshDatabase(engine) });
      upstream.answer(answering('Hi', ' there.'), answering('Again.'));
      const events: TurnEvent[] = [];
      rig.turns.onEvent((event) => events.push(event));
      const first = await rig.turns.start(ASKED);
      const result = await first.done;
      assert.deepEqual(
        [first.status, first.sessionKey, result.outcome, result.text],
        ['accepted', 'agent:main:s', 'completed', 'Hi there.'],
      );
      await (await rig.turns.start({ ...ASKED, message: 'more' })).done;
      assert.deepEqual(sent()[1], [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'Hi there.' },
        { role: 'user', content: 'more' },
      ]);
      assert.deepEqual(
        events.filter(({ runId }) => runId === first.runId).map(({ type, seq }) => [type, seq]),
        ['started', 'model', 'delta', 'delta', 'usage', 'ended'].map((type, i) => [type, i + 1]),
      );
      const entries = await rig.entries();
      assert.deepEqual(
        entries.map(({ sessionId }) => sessionId),
        [first.sessionId, first.sessionId],
      );
      const view = (await rig.sessions.describe('default', 'agent:main:s'))!;
      const { prompt_tokens, completion_tokens } = USAGE;
      assert.equal(view.usageLast!.total, prompt_tokens + completion_tokens);
      assert.equal(view.usageTotal.total, 2 * (prompt_tokens + completion_tokens));
      assert.equal(view.usageTotal.dispatches, 2);
      assert.deepEqual(result.usage, { ...view.usageLast });
    });

    test('turns of one session run one at a time and in order; those of others beside them', async (t) => {
      const rig = await opened(t, { database: await freshDatabase(engine) });
      const first = held('1');
      upstream.answer(first.answering, answering('other'), answering('2'), answering('3'));
      const one = await rig.turns.start({ ...ASKED, message: 'm1' });
      await first.came;
      const rest = await Promise.all(['m2', 'm3'].map((message) => rig.turns.start({ ...ASKED, message })));
      const other = await rig.turns.start({ ...ASKED, sessionKey: 'agent:main:o', message: 'o' });
      assert.equal((await other.done).text, 'other');
      assert.equal(upstream.received.length, 2, 'the lane is one’s');
      first.go();
      const texts = await Promise.all([one, ...rest].map(async ({ done }) => (await done).text));
      assert.deepEqual(texts, ['1', '2', '3']);
      const page = await rig.sessions.history('default', 'agent:main:s', { limit: 10 });
      assert.deepEqual(
        page!.messages.map(({ text }) => text),
        ['m1', '1', 'm2', '2', 'm3', '3'],
      );
    });
  });
}

test('gateways on one database run a session’s turns one at a time, each with what the other’s said', async (t) => {
  const database = await freshDatabase('postgres');
  const [one, two] = [await opened(t, { database }), await opened(t, { database })];
  let [running, most] = [0, 0];
  upstream.answer((response, received) => {
    most = Math.max(most, ++running);
    setImmediate(() => {
      running--;
      answering('ok')(response, received);
    });
  });
  const turns = await Promise.all(
    Array.from({ length: 8 }, (_, i) => [one, two][i % 2]!.turns.start({ ...ASKED, message: `m${i}` })),
  );
  const results = await Promise.all(turns.map(({ done }) => done));
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    results.map(() => 'completed'),
  );
  assert.equal(most, 1);
  assert.equal(new Set(turns.map(({ sessionId }) => sessionId)).size, 1);
  // Each had all that was said before it, whoever ran it: instructions, then two messages of each turn before, then its own.
  assert.deepEqual(
    sent().map(({ length }) => length),
    results.map((_, i) => 2 + 2 * i),
  );
});

test('an abort ends it at once, keeps what had come, and its count; who waited goes on', async (t) => {
  const rig = await opened(t);
  const first = held('Half an');
  upstream.answer(first.answering, answering('next'));
  const aborted = await rig.turns.start(ASKED);
  await first.came;
  const waiting = await rig.turns.start({ ...ASKED, message: 'waits' });
  const next = await rig.turns.start({ ...ASKED, message: 'goes on' });
  const heard = Promise.withResolvers<void>();
  rig.turns.onEvent(({ type }) => type === 'delta' && heard.resolve());
  await heard.promise;
  assert.deepEqual(rig.turns.abort({ tenantId: 'default', sessionKey: 'agent:main:s', runId: waiting.runId }), [
    waiting.runId,
  ]);
  assert.deepEqual(rig.turns.abort({ tenantId: 'default', sessionKey: 'agent:main:s', runId: aborted.runId }), [
    aborted.runId,
  ]);
  const result = await aborted.done;
  assert.deepEqual([result.outcome, result.text, result.usage!.dispatches], ['aborted', 'Half an', 1]);
  assert.deepEqual([(await waiting.done).outcome, (await waiting.done).ledgerRunId], ['aborted', null]);
  assert.equal((await next.done).text, 'next');
  const [, entry] = (await rig.entries()).toReversed();
  assert.deepEqual([entry!.outcome, entry!.usageSource], ['aborted', 'estimated']);
  const page = await rig.sessions.history('default', 'agent:main:s', { limit: 10 });
  assert.deepEqual(
    page!.messages.map(({ text, outcome }) => [text, outcome ?? null]),
    [
      ['hello', null],
      ['Half an', 'aborted'],
      ['goes on', null],
      ['next', 'completed'],
    ],
  );
  first.go();
});

test('the same key joins what runs and gets what ended, without another dispatch; another request under it is refused', async (t) => {
  const rig = await opened(t);
  const first = held('once');
  upstream.answer(first.answering);
  const asked = { ...ASKED, idempotencyKey: 'k-1' };
  const one = await rig.turns.start(asked);
  await first.came;
  const joined = await rig.turns.start(asked);
  assert.deepEqual([one.runId, joined.status, joined.sessionId], ['k-1', 'in_flight', one.sessionId]);
  await assert.rejects(rig.turns.start({ ...asked, message: 'else' }), { code: 'idempotency_mismatch' });
  first.go();
  assert.equal(await joined.done, await one.done);
  const replayed = await rig.turns.start(asked);
  assert.equal(replayed.status, 'replayed');
  assert.equal(await replayed.done, await one.done);
  assert.equal((await rig.turns.wait({ tenantId: 'default', runId: 'k-1' }, 1000))!.text, 'once');
  assert.equal((await rig.entries()).length, 1);
  const others = { ...asked, caller: { ...asked.caller, tenantId: 'acme' } };
  const own = await rig.turns.start(others);
  assert.equal(own.status, 'accepted', 'a key is its caller’s own');
  await own.done;
});

test('after a reset nothing is sent of what was said before it, also by a turn that ended later', async (t) => {
  const rig = await opened(t);
  const first = held('old answer');
  upstream.answer(first.answering, answering('new answer'), answering('and more'));
  const old = await rig.turns.start({ ...ASKED, message: 'old question' });
  await first.came;
  rig.turns.abort({ tenantId: 'default', sessionKey: 'agent:main:s' });
  // At the same millisecond as the run's beginning it would not be before it.
  await new Promise((resolve) => setTimeout(resolve, 2));
  await rig.sessions.reset('default', 'agent:main:s');
  assert.equal((await old.done).outcome, 'aborted');
  await (await rig.turns.start({ ...ASKED, message: 'new question' })).done;
  await (await rig.turns.start({ ...ASKED, message: 'next' })).done;
  assert.deepEqual(
    sent()
      .at(-1)!
      .map(({ content }) => content),
    ['Be kind.', 'new question', 'new answer', 'next'],
  );
  const page = await rig.sessions.history('default', 'agent:main:s', { limit: 10 });
  assert.ok(
    page!.messages.some(({ text }) => text === 'old question'),
    'it was said all the same',
  );
  first.go();
});

test('context headers name the messenger, the kind and the session of a turn', async (t) => {
  const template = (['channel', 'runKind', 'sessionKey'] as const).map((fact) => ({ fact }));
  const provider = { contextHeaders: [{ name: 'x-told', template: template.flatMap((fact) => [fact, ' ']) }] };
  const rig = await opened(t, { provider });
  upstream.answer(answering('ok'));
  await (await rig.turns.start({ ...ASKED, door: 'chat', channel: 'telegram' })).done;
  assert.deepEqual(upstream.received[0]!.request.headers['x-told'], 'telegram chat.send agent:main:s');
});

test('a turn whose answer has no end is ended, with the text that there was and its count', async (t) => {
  const rig = await opened(t, { limits: { answerBytesMax: 20 } });
  const first = held('ten chars.', 'ten again.', 'too much');
  upstream.answer(first.answering);
  const result = await (await rig.turns.start(ASKED)).done;
  assert.deepEqual(
    [result.outcome, result.error!.code, result.text, result.usage!.dispatches],
    ['failed', 'upstream_invalid', 'ten chars.ten again.', 1],
  );
  first.go();
});

test('a database that is away while a turn waits for it is a refusal, and nothing to report', () => {
  const error = errorOf(new StoreUnavailable('away'), (bug) => assert.fail(String(bug)));
  assert.deepEqual([error!.code, error!.status], ['ledger_unavailable', 503]);
});

test('a lane takes so many and no more, and a turn may take so long', async (t) => {
  const rig = await opened(t, { limits: { laneTurnsMax: 1 } });
  const first = held('slow');
  upstream.answer(first.answering);
  const one = await rig.turns.start({ ...ASKED, timeoutMs: 200 });
  const two = await rig.turns.start(ASKED);
  await assert.rejects(rig.turns.start(ASKED), { code: 'lane_full' });
  const result = await one.done;
  assert.deepEqual([result.outcome, result.error!.code], ['failed', 'turn_timeout']);
  assert.deepEqual(rig.turns.abort({ tenantId: 'default', sessionKey: 'agent:main:s' }), [two.runId]);
  assert.equal((await two.done).outcome, 'aborted');
  first.go();
});

test('what a provider refuses is a failed turn that says so, and is not in the transcript', async (t) => {
  const rig = await opened(t);
  upstream.answer(json(400, { error: { message: 'too long for me', type: 'invalid_request_error' } }));
  const result = await (await rig.turns.start(ASKED)).done;
  assert.deepEqual(
    [result.outcome, result.error],
    ['failed', { code: 'provider_error', message: 'too long for me', status: 400 }],
  );
  assert.deepEqual((await rig.sessions.history('default', 'agent:main:s', { limit: 5 }))!.messages, []);
  await assert.rejects(rig.turns.start({ ...ASKED, agentId: 'nope' }), { code: 'invalid_request' });
});
