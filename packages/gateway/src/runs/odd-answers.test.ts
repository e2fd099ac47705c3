/** Answers that are neither a good one nor a plain failure: of another type, too long beside the count, telling our key, cut inside an encoding. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createGzip, gunzipSync, gzipSync } from 'node:zlib';
import { type Answering, EVENT_STREAM, json, ScriptedUpstream } from '../../../../test/rig/scripted-upstream.ts';
import { COMPLETION, Rig, SSE, STREAMED, USAGE } from './metered.fixture.ts';

const { text, stop, usage, done } = SSE;
const KEY = 'sk-up/stream';

describe('odd answers', () => {
  let upstream: ScriptedUpstream;
  let rig: Rig;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    rig = await Rig.open(upstream.baseUrl, { provider: { headers: { 'api-key': `Key ${KEY}` } } });
  });
  afterEach(async () => {
    await rig.close();
    await upstream.close();
  });

  const whole =
    (status: number, headers: Record<string, string>, body?: string | Buffer): Answering =>
    (response) => {
      response.writeHead(status, headers);
      response.end(body);
    };
  const kinds = async (): Promise<unknown[]> =>
    (await rig.entries()).map(({ outcome, errorKind, usageSource }) => `${outcome} ${errorKind} ${usageSource}`);

  test('our credential is taken out of a refusal that repeats it, from head and body, also where it is compressed', async () => {
    const refusal = (key: string): string =>
      JSON.stringify({ error: { message: `Wrong key: ${key}. Not ${key}!`, key } });
    const json = refusal(KEY).replaceAll('/', '\\/');
    for (const [sent, encoding] of [
      [refusal(KEY), 'identity'],
      [json, 'identity'],
      [gzipSync(refusal(KEY)), 'gzip'],
    ] as const) {
      upstream.answer(whole(401, { 'x-why': `wrong: ${KEY}`, 'content-encoding': encoding }, sent));
      const { seenHead, bytes } = await rig.play(STREAMED);
      assert.equal(bytes.toString(), refusal('[secret]'));
      const { 'x-why': why, 'content-length': length, 'content-encoding': seen } = seenHead!.headers;
      assert.deepEqual([seenHead!.status, why, length], [401, 'wrong: [secret]', String(bytes.length)]);
      assert.notEqual(seen, 'gzip');
    }
  });

  test('a refusal without our credential passes as it is, also compressed, and so does an answer with it', async () => {
    const packed = gzipSync('{"error":{"message":"no"}}');
    upstream.answer(whole(401, { 'content-encoding': 'gzip' }, packed));
    const refused = await rig.play({});
    assert.deepEqual([refused.bytes, refused.seenHead!.headers['content-encoding']], [packed, 'gzip']);
    const answer = { ...COMPLETION, choices: [{ message: { content: KEY }, finish_reason: 'stop' }] };
    upstream.answer(json(200, answer));
    assert.deepEqual(JSON.parse((await rig.play({})).bytes.toString()), answer);
  });

  test('a page in place of a stream passes as it is, is asked for once, and is one entry', async () => {
    const page = '<html>\n\n<body>busy</body></html>';
    upstream.answer(whole(200, { 'content-type': 'text/html' }, page));
    const view = await rig.play(STREAMED);
    assert.deepEqual([view.bytes.toString(), view.seenHead!.status, upstream.received.length], [page, 200, 1]);
    assert.deepEqual(await kinds(), ['failed invalid_answer estimated']);
  });

  test('no content in place of a stream, and a 304, are unreadable answers, asked for once', async () => {
    upstream.answer(whole(204, {}));
    const { seenHead, bytes } = await rig.play(STREAMED);
    assert.deepEqual([seenHead!.status, seenHead!.headers['content-length'], bytes.length], [204, undefined, 0]);
    upstream.answer(whole(304, {}));
    const refused = await rig.play(STREAMED);
    assert.deepEqual([refused.failure!.code, upstream.received.length], ['upstream_invalid', 1]);
    assert.deepEqual(await kinds(), ['failed invalid_answer estimated', 'failed invalid_answer none']);
  });

  test('texts of a provider are cut and made storable, a usage object too long is not kept, the count is', async () => {
    const long = `a\0b\ud800${'x'.repeat(100_000)}`;
    const answer = { ...COMPLETION, id: long, service_tier: long, usage: { ...USAGE, note: long } };
    answer.choices = [{ ...COMPLETION.choices[0]!, finish_reason: long }];
    upstream.answer(json(200, answer, { 'x-request-id': 'r'.repeat(5000) }), json(200, answer));
    await rig.play({});
    const entry = await rig.entry();
    assert.deepEqual([entry.usage!.total, entry.usageSource, entry.rawUsage], [123, 'reported', null]);
    const cut = `a\ufffdb\ufffd${'x'.repeat(252)}`;
    assert.deepEqual([entry.stopReason, entry.serviceTier, entry.providerRequestId], [cut, cut, 'r'.repeat(256)]);
    await rig.play({});
    assert.equal((await rig.entries())[1]!.providerRequestId, cut);
  });

  test('a compressed stream that is cut after its count is counted, and nothing of ours gets among its bytes', async () => {
    const sent: Buffer[] = [];
    upstream.answer((response) => {
      response.writeHead(200, { ...EVENT_STREAM, 'content-encoding': 'gzip' });
      const gzip = createGzip();
      gzip.on('data', (chunk: Buffer) => void sent.push(chunk));
      gzip.write(Buffer.concat([text('a'.repeat(5000)), stop, usage]));
      gzip.flush(() => response.write(Buffer.concat(sent), () => response.destroy()));
    });
    const view = await rig.play(STREAMED);
    assert.deepEqual([view.bytes, view.hasEnd, view.failure], [Buffer.concat(sent), true, null]);
    assert.deepEqual(await kinds(), ['completed null reported']);
  });

  test('a compressed stream that is cut after its last word keeps that word', async () => {
    const packed = gzipSync(Buffer.concat([text('a'), stop, usage, done]));
    upstream.answer((response) => {
      response.writeHead(200, { ...EVENT_STREAM, 'content-encoding': 'gzip' });
      response.write(packed, () => response.destroy());
    });
    const view = await rig.play(STREAMED);
    assert.deepEqual(gunzipSync(view.bytes), Buffer.concat([text('a'), stop, usage, done]));
    assert.deepEqual(await kinds(), ['completed null reported']);
  });
});
