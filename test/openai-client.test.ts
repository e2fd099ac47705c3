/** The official `openai` client, unchanged, against the real gateway, which was started with two variables and no file. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { type ScriptedProvider, startScriptedProvider, tokensOf } from './rig/scripted-provider.ts';

let provider: ScriptedProvider;
let gateway: GatewayProcess;
let client: OpenAI;
const messages = [{ role: 'user' as const, content: 'hello' }];

const scratch = scratchDirectory({ after });

before(async () => {
  provider = await startScriptedProvider(join(scratch, 'journal.ndjson'));
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: null,
    env: { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: provider.baseUrl },
  });
  await gateway.start();
  client = new OpenAI({ apiKey: gateway.token, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
});

after(async () => {
  await gateway.stop();
  await provider.close();
});

test('a completion arrives with its usage, and the ledger holds the same numbers', async () => {
  const { data, response } = await client.chat.completions.create({ model: 'openai/ok-3', messages }).withResponse();
  assert.match(data.choices[0]!.message.content!, /^w\d+-0 /);
  const entry = entryOf(response.headers.get('x-weighbridge-dispatch-id')!);
  assert.equal(entry.outcome, 'completed');
  assert.equal(entry.input! + entry.cacheRead!, data.usage!.prompt_tokens);
  assert.equal(entry.output, data.usage!.completion_tokens);
});

test('a stream that did not ask for usage has no usage chunk, and is counted all the same', async () => {
  const { data: stream, response } = await client.chat.completions
    .create({ model: 'openai/ok-5', messages, stream: true })
    .withResponse();
  let text = '';
  for await (const chunk of stream) {
    assert.equal(chunk.choices.length, 1);
    assert.equal(chunk.usage ?? null, null);
    text += chunk.choices[0]!.delta.content ?? '';
  }
  assert.equal(text.split(' ').length, 6);
  const entry = entryOf(response.headers.get('x-weighbridge-dispatch-id')!);
  assert.equal(entry.usageSource, 'reported');
  const n = Number(/w(\d+)-/.exec(text)![1]);
  assert.equal(entry.output, tokensOf(n).output);
});

test('a stream that asks for usage gets the provider’s chunk', async () => {
  const stream = await client.chat.completions.create({
    model: 'openai/ok-3',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const usages = [];
  for await (const chunk of stream) if (chunk.usage) usages.push(chunk.usage);
  assert.equal(usages.length, 1);
});

test('client tools pass both ways', async () => {
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }];
  const whole = await client.chat.completions.create({ model: 'openai/ok-3+tools', messages, tools });
  assert.equal(whole.choices[0]!.finish_reason, 'tool_calls');
  const stream = client.chat.completions.stream({ model: 'openai/ok-3+tools', messages, tools });
  const final = await stream.finalChatCompletion();
  assert.equal(
    (final.choices[0]!.message.tool_calls![0] as { function: { arguments: string } }).function.arguments,
    '{"city":"Oslo"}',
  );
});

test('errors of the provider and of the gateway are errors of the client', async () => {
  await assert.rejects(
    client.chat.completions.create({ model: 'openai/status-400', messages }),
    OpenAI.BadRequestError,
  );
  await assert.rejects(client.chat.completions.create({ model: 'nobody/x', messages }), OpenAI.BadRequestError);
  const stranger = new OpenAI({ apiKey: 'wrong', baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  await assert.rejects(
    stranger.chat.completions.create({ model: 'openai/ok-3', messages }),
    OpenAI.AuthenticationError,
  );
});

test('models are listed', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('openclaw/default'));
});

function entryOf(dispatchId: string) {
  const ledger = new LedgerReader(gateway.databaseFile);
  const entry = ledger.entries().find((candidate) => candidate.dispatchId === dispatchId);
  ledger.close();
  assert.ok(entry, `no entry of ${dispatchId}`);
  return entry;
}
