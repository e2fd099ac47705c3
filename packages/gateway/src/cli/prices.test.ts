/** `prices` as an operator uses it: a wrong price, the correction with and without a gateway, a catalogue brought along. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DispatchDetail, Reconciliation, UsageAnswer } from '@weighbridge/protocol';
import { start, stateDirectory } from './program.fixture.ts';
import { runCli } from './program.ts';

const USAGE = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 };

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(stateDir: string, ...args: string[]): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const code = await runCli([...args, '--state-dir', stateDir], {
    stdout: (text) => {
      said.stdout += text;
    },
    stderr: (text) => {
      said.stderr += text;
    },
    write: async (text) => {
      said.stdout += text;
    },
    isTerminal: false,
    stderrIsTerminal: false,
    variables: {},
    onInterrupt: () => {},
    startGateway: () => assert.fail('no gateway is started here'),
  });
  return { code, ...said };
}

async function json<Answer>(stateDir: string, ...args: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await run(stateDir, ...args, '--json');
  assert.ok(code === 0 || code === 3, `${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

/** A provider that answers every model with the same usage. */
async function provider(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', 'x-litellm-response-cost': '0.0025' });
      const choices = [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }];
      response.end(JSON.stringify({ id: 'c', object: 'chat.completion', choices, usage: USAGE }));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function configure(stateDir: string, baseUrl: string, inputUsd: number): void {
  const models = [{ id: 'mine', cost: { input: inputUsd, output: 10 } }];
  const providers = { openai: { baseUrl, apiKey: 'sk-x', models } };
  writeFileSync(join(stateDir, 'weighbridge.json5'), JSON.stringify({ gateway: GATEWAY, models: { providers } }));
}
const GATEWAY = { http: { endpoints: { chatCompletions: { enabled: true } } } };

async function serve(t: TestContext, stateDir: string) {
  const gateway = start(t, ['serve', '--port', '0', '--state-dir', stateDir]);
  await gateway.until('stdout', 'listening on');
  const url = gateway.said.stdout.trim().split(' ').at(-1)!;
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim();
  const call = async (model: string): Promise<string> => {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
    });
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get('x-weighbridge-dispatch-id')!;
  };
  const stop = async () => {
    gateway.process.kill('SIGTERM');
    assert.equal(await gateway.ended, 0);
  };
  return { call, stop };
}

interface Repriced {
  dryRun: boolean;
  tenants: { tenantId: string; repriced: number; priced: number; unpriced: number; differenceNanoUsd: string }[];
}

test('a wrong price is corrected while the gateway runs and when it does not, and every sum follows', async (t) => {
  const stateDir = stateDirectory(t);
  const baseUrl = await provider(t);
  configure(stateDir, baseUrl, 1);
  const gateway = await serve(t, stateDir);
  const mine = await gateway.call('openai/mine');
  const gpt5 = await gateway.call('openai/gpt-5');
  const unknown = await gateway.call('openai/nobody-knows-it');

  // The book prices what the config does not, and the dispatch says who published each number.
  const shown = await json<DispatchDetail>(stateDir, 'dispatches', 'show', gpt5);
  assert.equal(shown.cost?.nanoUsd, String(1000 * 1250 + 100 * 10_000));
  assert.equal(shown.cost?.source, 'book');
  assert.match(shown.priceLines?.[0]?.source ?? '', /^pi-ai /);

  const told = await run(stateDir, 'dispatches', 'show', gpt5);
  assert.match(told.stdout, /price book_[0-9a-f]{16}, from book 2026-\d\d-\d\d\.[0-9a-f]{12}: openai\/gpt-5\n/);
  assert.match(told.stdout, /input +1,000 +1,250,000 +1,250,000,000 +pi-ai 1\.5\.2/);
  assert.match(told.stdout, /total +2,250,000,000 += 2,250,000 nano-USD, \$0\.002250/);
  assert.match(
    told.stdout,
    /says that it cost \$0\.002500 \(x-litellm-response-cost\); ours less theirs is -\$0\.000250/,
  );
  assert.match(told.stdout, /as the provider sent it: \{"prompt_tokens":1000/);
  const reason = await json<DispatchDetail>(stateDir, 'dispatches', 'show', unknown);
  assert.deepEqual([reason.cost, reason.unpriced], [null, 'no price was known when it was settled']);
  const reconciled = await json<Reconciliation>(stateDir, 'usage', '--reconcile');
  assert.deepEqual([reconciled.totals.dispatches, reconciled.totals.differing, reconciled.totals.unpriced], [3, 2, 1]);
  assert.match((await run(stateDir, 'usage', '--reconcile', '--by', 'model')).stdout, /all +3 +2 +1 /);

  // The file is right now; the gateway does not have it yet, and so must not correct anything.
  configure(stateDir, baseUrl, 3);
  const early = await run(stateDir, 'prices', 'reprice', '--since', '1h');
  assert.equal(early.code, 1);
  assert.match(early.stderr, /other prices than the configuration/);

  const reloaded = await run(stateDir, 'reload');
  assert.equal(reloaded.code, 0, reloaded.stderr);
  const right = String((3 - 1) * 1_000_000);
  const dry = await json<Repriced>(stateDir, 'prices', 'reprice', '--since', '1h', '--dry-run');
  assert.deepEqual([dry.dryRun, dry.tenants[0]?.repriced, dry.tenants[0]?.differenceNanoUsd], [true, 1, right]);
  const wet = await json<Repriced>(stateDir, 'prices', 'reprice', '--since', '1h', '--model', 'openai/mine');
  assert.deepEqual([wet.dryRun, wet.tenants[0]?.repriced, wet.tenants[0]?.differenceNanoUsd], [false, 1, right]);
  const corrected = await json<DispatchDetail>(stateDir, 'dispatches', 'show', mine);
  assert.equal(corrected.cost?.nanoUsd, String(1_000_000 + 1_000_000));
  assert.equal(corrected.corrections[0]?.cost?.nanoUsd, right);
  assert.equal(corrected.costNow?.nanoUsd, '4000000');
  assert.match(
    (await run(stateDir, 'dispatches', 'show', mine)).stdout,
    /repriced +cfg_\w+ +\$0\.002000\n.*\n.*\$0\.004000/,
  );

  // A catalogue that knows the third model is taken up by the running gateway.
  const check = await run(stateDir, 'prices', 'check');
  assert.equal(check.code, 3);
  assert.match(check.stdout, /openai\/nobody-knows-it: 1 calls have no cost/);
  const catalogue = join(stateDir, 'catalogue.json');
  const price = { litellm_provider: 'openai', mode: 'chat', input_cost_per_token: 5e-6, output_cost_per_token: 0 };
  writeFileSync(catalogue, JSON.stringify({ 'nobody-knows-it': price }));
  const brought = await run(stateDir, 'prices', 'import', catalogue);
  assert.equal(brought.code, 0, brought.stderr);
  const anew = await json<Repriced>(stateDir, 'prices', 'reprice', '--since', '1h', '--unpriced');
  assert.deepEqual([anew.tenants[0]?.priced, anew.tenants[0]?.unpriced], [1, 0]);
  assert.equal((await run(stateDir, 'prices', 'check')).code, 0);

  const sums = await json<UsageAnswer>(stateDir, 'usage', '--by', 'model');
  const expected = 3_000_000 + 1_000_000 + (1_250_000 + 1_000_000) + 5_000_000;
  assert.equal(sums.totals.costNanoUsd, String(expected));
  await gateway.stop();

  // The ledger itself, where nobody serves it: nothing is left to correct.
  const { code, stdout } = await run(stateDir, 'prices', 'reprice', '--since', '2w');
  assert.equal(code, 0);
  assert.match(stdout, /default +3 +0 +0 +0 +0 +\$0\.011250 +\$0\.011250 +\$0\.000000/);
  assert.equal((await run(stateDir, 'ledger', 'verify')).code, 0);
});

test('a price is explained with everybody’s word, and its absence with the reason', async (t) => {
  const stateDir = stateDirectory(t);
  configure(stateDir, 'http://127.0.0.1:1/v1', 2);
  const text = async (...args: string[]): Promise<string> => (await run(stateDir, 'prices', ...args)).stdout;
  assert.match(await text('list'), /openai\/mine +2 +10 +2 +2 +2 .*config/);
  assert.match(await text('list', '--provider', 'openai'), /openai\/gpt-5 +1\.25 +10 +0\.125/);
  assert.match(await text('explain', 'openai/mine'), /In force: config/);
  assert.match(await text('explain', 'mine'), /In force: config/);
  const large = await text('explain', 'openai/gpt-5.4', '--prompt-tokens', '272001');
  assert.match(large, /prompts above 272000 tokens/);
  assert.match(await text('explain', 'openai/gpt-5.4', '--service-tier', 'flex'), /service tier flex/);
  assert.match(await text('explain', 'openai/gpt-5.4', '--service-tier', 'scale'), /nobody published .* scale/);
  assert.match(await text('explain', 'openai/o3', '--at', '2025-06-01'), /input +10 /);
  assert.match(await text('explain', 'deepseek/deepseek-v4-pro'), /01:00–04:00 UTC/);
  assert.match(await text('explain', 'openai/nobody'), /Unpriced: no book knows this model of openai/);
  const codes = async (...args: string[]): Promise<number> => (await run(stateDir, 'prices', ...args)).code;
  assert.equal(await codes('explain', 'openai/nobody'), 3);
  assert.equal(await codes('explain', 'nobody'), 2);
  assert.equal(await codes('list', '--provider', 'nobody'), 2);
  assert.equal(await codes('explain', 'openai/gpt-5', '--at', 'whenever'), 2);
  assert.equal(await codes('import', join(stateDir, 'nothing.json')), 1);
  assert.equal(await codes('import', join(stateDir, 'weighbridge.json5')), 1);
  assert.equal(await codes('reprice'), 2);
  assert.equal(await codes('reprice', '--since', 'whenever'), 2);
});
