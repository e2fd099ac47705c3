/** HTTP calls with a session: heard along for the transcript, byte for byte as before for the caller, and never in its way. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EVENT_STREAM, json, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import { CallerView, COMPLETION, MESSAGES, Rig, type RigOptions, SSE } from './metered.fixture.ts';

const KEYED = { 'x-openclaw-session-key': 's' };
const SESSION = 'direct:s';
const STREAM = [SSE.role, SSE.text('Hi'), SSE.text(' there.'), SSE.stop, SSE.done];

let upstream: ScriptedUpstream;
before(async () => {
  upstream = await ScriptedUpstream.start();
});
after(() => upstream.close());

async function opened(t: { after(end: () => Promise<void>): void }, options: RigOptions = {}): Promise<Rig> {
  const rig = await Rig.open(upstream.baseUrl, options);
  t.after(() => rig.close());
  return rig;
}

async function transcript(rig: Rig, key = SESSION): Promise<unknown[] | null> {
  await rig.appended();
  const page = await rig.sessions.history('default', key, { limit: 100 });
  return page?.messages.map(({ role, text, outcome }) => [role, text, ...(outcome ? [outcome] : [])]) ?? null;
}

test('semantics 4: a keyed call sends its own messages only, and is appended when it has ended', async (t) => {
  const rig = await opened(t);
  upstream.answer(stream(...STREAM.slice(0, -1), SSE.usage, SSE.done), json(200, COMPLETION));
  const view = await rig.play({ headers: KEYED, json: { stream: true } });
  assert.equal(view.bytes.toString(), Buffer.concat(STREAM).toString());
  await rig.play({ headers: KEYED });
  assert.deepEqual(
    upstream.received.map(({ body }) => JSON.parse(body).messages),
    [MESSAGES, MESSAGES],
  );
  assert.deepEqual(await transcript(rig), [
    ['user', 'Say hello, please.'],
    ['assistant', 'Hi there.', 'completed'],
    ['user', 'Say hello, please.'],
    ['assistant', 'Hello there.', 'completed'],
  ]);
  const [entry] = await rig.entries();
  assert.equal(entry!.sessionId, (await rig.sessions.snapshot('default', SESSION))!.sessionId);
});

test('semantics 4: a call without a key stores no text and no session, nor does one where calls are not kept', async (t) => {
  const rig = await opened(t);
  upstream.answer(json(200, COMPLETION));
  await rig.play({});
  await rig.appended();
  assert.equal((await rig.sessions.list({ tenantId: null, limit: 5 })).total, 0);
  assert.equal((await rig.entries())[0]!.sessionId, null);
  const quiet = await opened(t, { sessions: { httpTurns: false } });
  await quiet.play({ headers: KEYED });
  assert.deepEqual(await transcript(quiet), []);
});

test('semantics 4: calls of one session go in parallel', async (t) => {
  const rig = await opened(t);
  const both = Promise.withResolvers<void>();
  let came = 0;
  upstream.answer((response) => {
    if (++came === 2) both.resolve();
    void both.promise.then(() => json(200, COMPLETION)(response, { request: response.req, body: '' }));
  });
  await Promise.all([rig.play({ headers: KEYED }), rig.play({ headers: KEYED })]);
  assert.equal((await transcript(rig))!.length, 4);
});

test('a caller who goes leaves what it had; what failed without a word leaves nothing but its run', async (t) => {
  const rig = await opened(t, {
    metering: { onCallerGone: 'abort', drain: { timeoutMs: 0, tokensMax: 0, concurrentMax: 0 } },
  });
  upstream.answer(
    (response) => {
      response.writeHead(200, EVENT_STREAM);
      response.write(SSE.text('Half an'));
    },
    json(400, { error: { message: 'no' } }),
  );
  const view = new CallerView();
  view.onWrite = () => view.gone.abort();
  await rig.play({ headers: KEYED, json: { stream: true } }, view);
  assert.deepEqual(await transcript(rig), [
    ['user', 'Say hello, please.'],
    ['assistant', 'Half an', 'aborted'],
  ]);
  await rig.play({ headers: KEYED });
  assert.equal((await transcript(rig))!.length, 2);
  const session = (await rig.sessions.describe('default', SESSION))!;
  assert.deepEqual([session.lastOutcome, session.usageLast!.dispatches], ['failed', 1]);
});

test('other doors’ words are read too, and what is no text is counted', async (t) => {
  const rig = await opened(t, {
    others: [
      { id: 'an', api: 'anthropic-messages' },
      { id: 'rs', api: 'openai-responses' },
    ],
  });
  const block = {
    content: [
      { type: 'text', text: 'Bon' },
      { type: 'tool_use', id: 't', name: 'x', input: {} },
    ],
  };
  upstream.answer(
    json(200, { ...block, stop_reason: 'tool_use', usage: { input_tokens: 1, output_tokens: 1 } }),
    json(200, { output: [{ type: 'message', content: [{ type: 'output_text', text: 'Jour' }] }], status: 'completed' }),
  );
  const asked = [
    { type: 'text', text: 'Look:' },
    { type: 'image', source: {} },
  ];
  await rig.play({ ask: 'messages', requestedModel: 'an/m', headers: KEYED, json: { model: 'an/m' }, asked });
  await rig.play({ ask: 'responses', requestedModel: 'rs/m', headers: KEYED, json: { model: 'rs/m' } });
  await rig.appended();
  const page = await rig.sessions.history('default', SESSION, { limit: 9 });
  assert.deepEqual(
    page!.messages.map(({ text, omitted = 0, stopReason = null }) => [text, omitted, stopReason]),
    [
      ['Look:', 1, null],
      ['Bon', 1, 'tool_use'],
      ['Say hello, please.', 0, null],
      ['Jour', 0, 'completed'],
    ],
  );
});

test('a transcript that cannot be written costs the call nothing, and is counted', async (t) => {
  const rig = await opened(t, { sessions: { appendsMax: 1 } });
  upstream.answer(json(200, COMPLETION));
  const views = await Promise.all(Array.from({ length: 4 }, () => rig.play({ headers: KEYED })));
  assert.ok(views.every(({ hasEnd }) => hasEnd));
  await rig.appended();
  const kept = (await transcript(rig))!.length / 2;
  assert.equal(kept + rig.bugs.length, 4);
  rig.bugs.length = 0;
});

test('text that no engine keeps as it is, or that is too long, is kept as far as it can be', async (t) => {
  const rig = await opened(t, { sessions: { messageBytesMax: 10 } });
  upstream.answer(json(200, COMPLETION));
  await rig.play({ headers: KEYED, asked: 'a\0b\ud800c' });
  await rig.play({ headers: KEYED, asked: 'ööööööö' });
  await rig.appended();
  const page = await rig.sessions.history('default', SESSION, { limit: 9 });
  assert.deepEqual(
    page!.messages.filter(({ role }) => role === 'user').map(({ text, truncated = false }) => [text, truncated]),
    [
      ['a\ufffdb\ufffdc', false],
      ['ööööö', true],
    ],
  );
});
