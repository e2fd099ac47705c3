/** Admission and the registry: what is refused before any provider is asked. Real sockets, a real ledger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { EVENT_STREAM, json, ScriptedUpstream } from '../../../../test/rig/scripted-upstream.ts';
import { COMPLETION, Rig, type RigOptions, SSE, USAGE, wrapped } from './metered.fixture.ts';

const { text, stop, done } = SSE;

describe('admission', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;

  async function open(options: RigOptions = {}): Promise<void> {
    rig = await Rig.open(upstream.baseUrl, options);
  }

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  test('semantics 12: our own hop is refused, and every upstream request carries it', async () => {
    await open();
    upstream.answer(json(200, COMPLETION));
    await rig.play({
      headers: {
        'x-client-request-id': 'mine',
        traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
        cookie: 'secret',
        'x-custom': '1',
      },
    });
    const { headers } = upstream.received[0]!.request;
    assert.equal(headers['x-weighbridge-hop'], rig.ledger.ledgerId);
    assert.equal(headers['x-client-request-id'], 'mine');
    assert.equal(headers.traceparent, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    for (const name of ['cookie', 'x-custom', 'tracestate']) assert.equal(headers[name], undefined, name);
    const looped = await rig.play({ headers: { 'x-weighbridge-hop': rig.ledger.ledgerId } });
    assert.equal(looped.failure!.code, 'loop_detected');
    const other = await rig.play({ headers: { 'x-weighbridge-hop': 'led_OTHER' } });
    assert.equal(other.failure, null);
  });

  test('a known vendor’s origin gets no hop header', async () => {
    await open({ provider: { isVendorOrigin: true } });
    upstream.answer(json(200, COMPLETION));
    await rig.play({});
    assert.equal(upstream.received[0]!.request.headers['x-weighbridge-hop'], undefined);
  });

  test('beyond runsMax a call is told to come back, and the place is free again afterwards', async () => {
    await open({ limits: { runsMax: 1 } });
    let finish = (): void => {};
    const arrived = Promise.withResolvers<void>();
    upstream.answer((response, received) => {
      finish = () => json(200, COMPLETION)(response, received);
      arrived.resolve();
    });
    const first = rig.play({});
    await arrived.promise;
    const second = await rig.play({});
    assert.deepEqual([second.failure!.code, second.failure!.retryAfterSeconds], ['overloaded', 1]);
    const [view] = rig.runs.inFlight();
    assert.deepEqual([view!.provider, view!.model, view!.attempt], ['up', 'm', 1]);
    finish();
    assert.equal((await first).failure, null);
    upstream.answer(json(200, COMPLETION));
    assert.equal((await rig.play({})).failure, null);
  });

  test('an unavailable ledger refuses before any provider is asked', async () => {
    await open({ wrapLedger: (ledger) => ({ ...wrapped(ledger, (s) => ledger.settle(s)), available: false }) });
    upstream.answer(json(200, COMPLETION));
    assert.equal((await rig.play({})).failure!.code, 'ledger_unavailable');
    assert.equal(upstream.received.length, 0);
  });

  test('a target whose dialect is not spoken is refused, as a fallback it is passed over', async () => {
    await open({
      agents: [{ id: 'main', model: 'up/m', fallbacks: ['responses/x'], instructions: null }],
      others: [{ id: 'responses', api: 'openai-responses' }],
    });
    assert.equal((await rig.play({ json: { model: 'responses/x' } })).failure!.code, 'unsupported_dialect');
    upstream.answer(json(403, { error: { message: 'no' } }));
    const view = await rig.play({ json: { model: 'openclaw' } });
    assert.equal(view.seenHead!.status, 403);
  });

  test('many runs at once, streams and bodies, keep their own counts', async () => {
    await open();
    upstream.answer((response, received) => {
      const { model, stream: isStream } = JSON.parse(received.body) as { model: string; stream?: boolean };
      const n = Number(model.slice(1));
      const own = { ...USAGE, prompt_tokens: 40 + n, total_tokens: 60 + n };
      if (!isStream) return json(200, { ...COMPLETION, usage: own })(response, received);
      response.writeHead(200, EVENT_STREAM);
      response.write(text(model));
      setTimeout(
        () =>
          response.end(
            Buffer.concat([stop, Buffer.from(`data: {"choices":[],"usage":${JSON.stringify(own)}}\n\n`), done]),
          ),
        n % 7,
      );
    });
    await Promise.all(
      Array.from({ length: 80 }, (_, n) => rig.play({ json: { model: `up/m${n}`, stream: n % 2 === 0 } })),
    );
    const entries = await rig.entries();
    assert.equal(entries.length, 80);
    for (const entry of entries) assert.equal(entry.usage!.input, Number(entry.model.slice(1)), entry.model);
  });
});
