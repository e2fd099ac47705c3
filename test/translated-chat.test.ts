/**
 * The official `openai` client, unchanged, against models of Anthropic and Gemini: completions, streams and a tool loop come
 * back as it expects them, and the ledger counts what the providers' own frames say.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WeighbridgeClient } from '@weighbridge/client';
import OpenAI from 'openai';
import { GOLDENS } from '../packages/gateway/src/providers/golden/all.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { ReplayingUpstream } from './rig/replaying-upstream.ts';

const APIS = ['anthropic-messages', 'google-generate'] as const;
const messages = [{ role: 'user' as const, content: 'hello' }];
const tools = [{ type: 'function' as const, function: { name: 'weigh', parameters: { type: 'object' } } }];

let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let openai: OpenAI;
let client: WeighbridgeClient;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream-key' });
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: { auth: { mode: 'token' }, http: { endpoints: { chatCompletions: { enabled: true } } } },
      models: {
        providers: {
          'anthropic-messages': provider('anthropic-messages', ''),
          'google-generate': provider('google-generate', '/v1beta'),
        },
      },
    },
  });
  await gateway.start();
  openai = new OpenAI({ apiKey: gateway.token, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

const golden = (api: string, name: string) => GOLDENS.find((one) => one.api === api && one.name === name)!;

function lay(api: string, name: string, isStreamed: boolean) {
  const { stream, body, expected } = golden(api, name);
  const bytes = isStreamed ? stream : body!;
  const type = isStreamed ? 'text/event-stream' : 'application/json';
  upstream.lay({ headers: { 'content-type': type }, chunks: [bytes.subarray(0, 99), bytes.subarray(99)] });
  return expected;
}

for (const api of APIS) {
  test(`${api}: a completion and a stream say the same, and count the same`, async () => {
    const model = `${api}/m`;
    const expected = lay(api, 'a cache hit', false);
    const { data: whole, response } = await openai.chat.completions.create({ model, messages }).withResponse();
    lay(api, 'a cache hit', true);
    const stream = openai.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    const streamed = await stream.finalChatCompletion();
    assert.ok(whole.choices[0]!.message.content!.includes('日本語'));
    assert.equal(streamed.choices[0]!.message.content, whole.choices[0]!.message.content);
    assert.equal(streamed.choices[0]!.finish_reason, 'stop');
    assert.deepEqual(streamed.usage, whole.usage);
    assert.equal(whole.usage!.prompt_tokens_details!.cached_tokens, expected.usage!.cacheRead);
    const entry = await client.dispatch(response.headers.get('x-weighbridge-dispatch-id')!);
    assert.deepEqual([entry.usage, entry.usageSource, entry.api], [expected.usage, 'reported', api]);
  });

  test(`${api}: a tool is called, streamed and not, and its result goes back`, async () => {
    const model = `${api}/m`;
    const name = 'a call of the caller’s tool';
    lay(api, name, false);
    const whole = await openai.chat.completions.create({ model, messages, tools });
    lay(api, name, true);
    const streamed = await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
    const made = [whole, streamed].map(({ choices }) => choices[0]!.message.tool_calls![0]!);
    const [first, second] = made.map((call) => (call.type === 'function' ? call : assert.fail('another kind of call')));
    assert.deepEqual([first!.id, first!.function.name], [second!.id, second!.function.name]);
    assert.deepEqual(JSON.parse(first!.function.arguments), JSON.parse(second!.function.arguments));
    assert.equal(whole.choices[0]!.finish_reason, 'tool_calls');
    lay(api, 'a cache hit', false);
    const result = { role: 'tool' as const, tool_call_id: first!.id, content: '12 kg' };
    const history = [...messages, whole.choices[0]!.message, result];
    const last = await openai.chat.completions.create({ model, messages: history, tools });
    assert.equal(last.choices[0]!.finish_reason, 'stop');
  });

  test(`${api}: errors are raised as OpenAI’s, before and inside a stream`, async () => {
    const model = `${api}/m`;
    const error = { type: 'overloaded', status: 'UNAVAILABLE', message: 'Come back later.' };
    upstream.lay({ status: 400, chunks: [Buffer.from(JSON.stringify({ type: 'error', error }))] });
    await assert.rejects(openai.chat.completions.create({ model, messages }), (raised: unknown) => {
      assert.ok(raised instanceof OpenAI.BadRequestError);
      assert.match(raised.message, /Come back later/);
      return true;
    });
    lay(api, 'an error in the middle', true);
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    }, OpenAI.APIError);
    assert.equal(text, 'Half an');
    await assert.rejects(openai.chat.completions.create({ model, messages, n: 2 }), { status: 400, param: 'n' });
  });
}
