/** What comes again under its idempotency key: the same answer, byte for byte, of the same run, and no other dispatch. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EVENT_STREAM, json, ScriptedUpstream, stream } from '../../../../test/rig/scripted-upstream.ts';
import { CallerView, COMPLETION, Rig, type RigOptions, SSE } from './metered.fixture.ts';

const KEYED = { headers: { 'idempotency-key': 'k-1' } };
const STREAMING = { ...KEYED, json: { stream: true } };

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

/** An answer that goes on when it is told to. */
function held(): { go: () => void } {
  const go = Promise.withResolvers<void>();
  upstream.answer((response) => {
    response.writeHead(200, EVENT_STREAM);
    response.write(Buffer.concat([SSE.role, SSE.text('Hi')]));
    void go.promise.then(() => response.end(Buffer.concat([SSE.text(' there.'), SSE.stop, SSE.usage, SSE.done])));
  });
  return { go: () => go.resolve() };
}

function hearing(): { view: CallerView; heard: Promise<void> } {
  const view = new CallerView();
  const heard = Promise.withResolvers<void>();
  view.onWrite = () => heard.resolve();
  return { view, heard: heard.promise };
}

test('the same request joins the run from its start, and has its end again later', async (t) => {
  const rig = await opened(t);
  const { go } = held();
  const first = hearing();
  const playing = rig.play(STREAMING, first.view);
  await first.heard;
  const second = hearing();
  const joining = rig.play(STREAMING, second.view);
  await second.heard;
  go();
  const views = [await playing, await joining, await rig.play(STREAMING)];
  for (const { bytes, seenHead } of views) {
    assert.equal(bytes.toString(), views[0]!.bytes.toString());
    assert.deepEqual(seenHead, views[0]!.seenHead);
  }
  assert.match(views[0]!.bytes.toString(), /there.*\[DONE\]/s);
  assert.equal((await rig.entries()).length, 1);
  assert.equal(upstream.received.length, 1);
});

test('another request under the key is refused; another caller’s key is another key', async (t) => {
  const rig = await opened(t);
  upstream.answer(json(200, COMPLETION));
  await rig.play(KEYED);
  assert.equal((await rig.play({ ...KEYED, json: { temperature: 1 } })).failure!.code, 'idempotency_mismatch');
  const session = { ...KEYED.headers, 'x-openclaw-session-key': 's' };
  assert.equal((await rig.play({ headers: session })).failure!.code, 'idempotency_mismatch');
  const caller = (keyId: string | null, tenantId: string) => ({
    tenantId,
    keyId,
    scopes: new Set(['dispatch' as const]),
  });
  await rig.play({ ...KEYED, caller: caller('key_1', 'default') });
  await rig.play({ ...KEYED, caller: caller(null, 'acme') });
  assert.equal(upstream.received.length, 3);
  assert.equal((await rig.play({ headers: { 'idempotency-key': 'x'.repeat(256) } })).failure!.code, 'invalid_request');
});

test('the first caller may go while another listens; when all have gone, the key is free', async (t) => {
  const rig = await opened(t);
  const one = held();
  const [first, second] = [hearing(), hearing()];
  const playing = rig.play(STREAMING, first.view);
  await first.heard;
  const joining = rig.play(STREAMING, second.view);
  await second.heard;
  first.view.gone.abort();
  one.go();
  assert.equal((await joining).hasEnd, true);
  await playing;
  assert.equal((await rig.entry()).outcome, 'completed');

  const two = held();
  const alone = hearing();
  const headers = { 'idempotency-key': 'k-2' };
  const leaving = rig.play({ headers, json: { stream: true } }, alone.view);
  await alone.heard;
  alone.view.gone.abort();
  const again = hearing();
  const retried = rig.play({ headers, json: { stream: true } }, again.view);
  two.go();
  assert.equal((await retried).hasEnd, true);
  await leaving;
  assert.equal(upstream.received.length, 2, 'the retry is a dispatch of its own');
});

test('a refusal before any dispatch is not kept; a provider’s own refusal is', async (t) => {
  const rig = await opened(t);
  upstream.answer(json(400, { error: { message: 'no' } }), json(200, COMPLETION));
  assert.ok((await rig.play({ ...KEYED, requestedModel: 'no/such' })).failure);
  const views = [await rig.play(KEYED), await rig.play(KEYED)];
  assert.deepEqual(
    views.map(({ seenHead }) => seenHead!.status),
    [400, 400],
  );
  assert.equal(upstream.received.length, 1);
});

test('too long an answer reaches its caller and is refused to whoever asks again; the oldest go when there are too many', async (t) => {
  const rig = await opened(t, {
    limits: { idempotencyAnswerBytesMax: 600, idempotencyBytesMax: 1000, idempotencyKeysMax: 2 },
  });
  const long = [SSE.text('x'.repeat(400)), SSE.text('y'.repeat(400)), SSE.stop, SSE.done];
  upstream.answer(stream(...long), json(200, COMPLETION));
  const view = await rig.play(STREAMING);
  assert.equal(view.bytes.toString(), Buffer.concat(long).toString());
  assert.equal((await rig.play(STREAMING)).failure!.code, 'answer_not_kept');
  for (const key of ['a', 'b', 'c']) await rig.play({ headers: { 'idempotency-key': key } });
  assert.equal(upstream.received.length, 4);
  await rig.play({ headers: { 'idempotency-key': 'c' } });
  assert.equal(upstream.received.length, 4, 'the last is there');
  await rig.play({ headers: { 'idempotency-key': 'a' } });
  assert.equal(upstream.received.length, 5, 'the first had to go');
});

test('a slow caller gets all of it, and holds nobody up', async (t) => {
  const rig = await opened(t);
  const { go } = held();
  const slow = hearing();
  slow.view.isReading = false;
  const playing = rig.play(STREAMING, slow.view);
  await slow.heard;
  const quick = rig.play(STREAMING);
  go();
  const { bytes } = await quick;
  assert.ok(slow.view.bytes.length < bytes.length);
  slow.view.isReading = true;
  slow.view.drained();
  assert.equal((await playing).bytes.toString(), bytes.toString());
});
