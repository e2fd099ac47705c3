/**
 * Webhooks through the whole program: a gateway that is killed while it delivers loses nothing and repeats under the same id; the
 * simple case of `gateway.usageWebhookUrl`; what an operator does with endpoints over HTTP, from the command line, by a reload.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DispatchRecord, EventEnvelope, List, WebhookInfo } from '../packages/protocol/src/index.ts';
import { newSigningSecret } from '../packages/protocol/src/webhook.ts';
import { quotas } from './quotas.ts';
import {
  cleanEnvironment,
  GatewayProcess,
  REPOSITORY,
  scratchDirectory,
  scriptedConfig,
} from './rig/gateway-process.ts';
import { lastFirst } from './rig/last-first.ts';
import { type ScriptedProvider, startScriptedProvider } from './rig/scripted-provider.ts';
import { until } from './rig/until.ts';
import { type Received, WebhookReceiver } from './rig/webhook-receiver.ts';

const CALLERS = 6;

interface House {
  gateway: GatewayProcess;
  provider: ScriptedProvider;
  receiver: WebhookReceiver;
  config: (extra: object) => object;
}

async function open(context: TestContext, extra: (url: string) => object): Promise<House> {
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const provider = await startScriptedProvider(join(scratch, 'journal.ndjson'));
  t.after(() => provider.close());
  const receiver = await WebhookReceiver.start();
  t.after(() => receiver.close());
  const config = (more: object): object => {
    const { gateway, ...rest } = scriptedConfig(provider.baseUrl) as { gateway: object };
    const { gateway: ofTest = {}, ...others } = more as { gateway?: object };
    return { ...rest, ...others, gateway: { ...gateway, ...ofTest } };
  };
  const gateway = new GatewayProcess({ stateDir: join(scratch, 'state'), config: config(extra(receiver.url)) });
  t.after(async () => void (await gateway.stop()));
  await gateway.start();
  return { gateway, provider, receiver, config };
}

async function call(gateway: GatewayProcess): Promise<number> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'scripted/ok-3',
      messages: [{ role: 'user', content: 'a prompt that is nobody’s business' }],
    }),
  });
  await answer.text();
  return answer.status;
}

async function asked<Answer>(gateway: GatewayProcess, path: string, method = 'GET', body?: object): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = { authorization: `Bearer ${gateway.token}` };
  const answer = await fetch(`${gateway.url}${path}`, { method, headers, ...sent });
  return (await answer.json()) as Answer;
}

async function everyDispatch(gateway: GatewayProcess): Promise<DispatchRecord[]> {
  const all: DispatchRecord[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: List<DispatchRecord> = await asked(
      gateway,
      `/api/v1/dispatches?limit=1000${cursor && `&cursor=${cursor}`}`,
    );
    all.push(...page.data);
    cursor = page.nextCursor;
  }
  return all;
}

const eventOf = ({ body }: Received): EventEnvelope<string, DispatchRecord> =>
  JSON.parse(body) as EventEnvelope<string, DispatchRecord>;

test(`killed ${quotas.webhookKills} times while it delivers: every dispatch is told, and what is told twice has one id`, async (t) => {
  const { gateway, receiver } = await open(t, (url) => ({
    webhooks: [{ id: 'one', url, allowPrivate: true, retry: { firstMs: 100 } }],
  }));
  let isDown = false;
  // Some fail, some take a while: at each kill there are messages under way, rows that wait, and events ahead of the cursor.
  const failed = new Set<string>();
  receiver.behaviour = async ({ id }) => {
    if (!failed.has(id) && Math.random() < 0.1) {
      failed.add(id);
      return { status: 500 };
    }
    if (Math.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, 20));
    return {};
  };
  let stopped = false;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!stopped) {
      if (isDown) await new Promise((resolve) => setTimeout(resolve, 20));
      else await call(gateway).catch(() => {});
    }
  });
  for (let kill = 0; kill < quotas.webhookKills; kill++) {
    const from = receiver.received.length;
    await until('it delivers', () => receiver.received.length > from + 40);
    isDown = true;
    await gateway.kill();
    await gateway.start();
    isDown = false;
  }
  stopped = true;
  await Promise.all(callers);
  const dispatches = await everyDispatch(gateway);
  const told = (): Map<string, Set<string>> => {
    const ids = new Map<string, Set<string>>();
    for (const message of receiver.received) {
      const { dispatchId } = eventOf(message).data;
      ids.set(dispatchId, (ids.get(dispatchId) ?? new Set()).add(message.id));
    }
    return ids;
  };
  assert.ok(dispatches.length > 40, `only ${dispatches.length} calls`);
  await until('every dispatch was told', () => dispatches.every(({ dispatchId }) => told().has(dispatchId)));
  const ids = told();
  assert.deepEqual(
    [...ids].filter(([, messages]) => messages.size !== 1),
    [],
    'a dispatch was told under two ids',
  );
  assert.equal(ids.size, dispatches.length, 'more was told than happened');
  await until('nothing is left to send', async () => {
    const [one] = (await asked<List<WebhookInfo>>(gateway, '/api/v1/webhooks')).data;
    return one!.behind === 0 && one!.pending === 0;
  });
  t.diagnostic(`${dispatches.length} dispatches, ${receiver.received.length} attempts`);
});

test('`gateway.usageWebhookUrl` at this machine needs nothing more, and says what OpenClaw’s usage webhook says', async (t) => {
  const { gateway, receiver } = await open(t, (url) => ({ gateway: { usageWebhookUrl: url } }));
  assert.equal(await call(gateway), 200);
  await until('it came', () => receiver.received.length === 1);
  const { body, headers } = receiver.received[0]!;
  const said = JSON.parse(body) as Record<string, unknown>;
  const [{ usage, cost, ...record }] = (await everyDispatch(gateway)) as [DispatchRecord];
  assert.deepEqual(said, {
    type: 'model.usage',
    model: 'ok-3',
    agentId: null,
    sessionKey: record.sessionKey,
    usage: {
      promptTokens: usage!.input + usage!.cacheRead + usage!.cacheWrite,
      completionTokens: usage!.output,
      totalTokens: usage!.total,
    },
    cost: Number(cost!.usd),
    durationMs: record.latencyMs,
    timestamp: record.endedAt,
  });
  assert.equal(headers.authorization, undefined);
  assert.ok(!`${body}${JSON.stringify(headers)}`.includes(gateway.token), 'our own credential went along');
  assert.ok(!body.includes('nobody’s business'), 'a prompt went along');
});

test('an operator’s day: endpoints of the file by a reload, one disabled, tried, replayed; the command line says the same', async (t) => {
  const secret = newSigningSecret();
  const { gateway, receiver, config } = await open(t, () => ({}));
  const write = (more: object): void => writeFileSync(`${gateway.stateDir}.config.json5`, JSON.stringify(config(more)));
  await call(gateway);
  write({ webhooks: [{ id: 'ops', url: receiver.url, secret, allowPrivate: true }] });
  const { changed } = await asked<{ changed: string[] }>(gateway, '/api/v1/reload', 'POST');
  assert.deepEqual(changed, ['webhooks.ops']);
  await until(
    'it is there',
    async () => (await asked<List<WebhookInfo>>(gateway, '/api/v1/webhooks')).data.length === 1,
  );
  await call(gateway);
  await until('it came', () => receiver.received.length === 1);
  assert.equal(eventOf(receiver.received[0]!).seq, 2, 'the call before the endpoint was not told');

  const test = await asked<{ delivered: boolean }>(gateway, '/api/v1/webhooks/ops/test', 'POST');
  assert.equal(test.delivered, true);
  assert.equal(eventOf(receiver.received[1]!).type, 'webhook.test');
  await asked(gateway, '/api/v1/webhooks/ops/disable', 'POST');
  await call(gateway);
  const listed = await cli(gateway, 'webhooks', 'list');
  assert.match(listed.stdout, /ops +disabled: somebody disabled it/);
  await asked(gateway, '/api/v1/webhooks/ops/enable', 'POST');
  await until('what waited came', () => receiver.received.some((message) => eventOf(message).seq === 3));
  const before = receiver.received.length;
  const replayed = await cli(gateway, 'webhooks', 'replay', 'ops', '--from', '1');
  assert.equal(replayed.code, 0, replayed.stderr);
  await until(
    'all came again',
    () => new Set(receiver.received.slice(before).map((message) => eventOf(message).seq)).size === 3,
  );
  const everything = [listed, replayed].map(({ stdout, stderr }) => stdout + stderr).join('') + gateway.output;
  assert.ok(!everything.includes(secret), 'a secret was shown');

  // Its own listener is never a receiver, even where the file opens this machine.
  write({ webhooks: [{ id: 'self', url: gateway.url, allowPrivate: true }] });
  await asked(gateway, '/api/v1/reload', 'POST');
  await until(
    'it is there',
    async () => (await asked<List<WebhookInfo>>(gateway, '/api/v1/webhooks')).data[0]?.id === 'self',
  );
  const self = await asked<{ delivered: boolean; failure: string }>(gateway, '/api/v1/webhooks/self/test', 'POST');
  assert.deepEqual([self.delivered, self.failure], [false, 'the address is this gateway’s own']);

  // What the command line makes is refused where it would go to this machine.
  const refused = await cli(gateway, 'webhooks', 'add', receiver.url);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /public addresses by https/);
  write({});
  await asked(gateway, '/api/v1/reload', 'POST');
  await until(
    'it is gone',
    async () => (await asked<List<WebhookInfo>>(gateway, '/api/v1/webhooks')).data.length === 0,
  );
});

test('`webhooks listen` prints and verifies what arrives', async (t) => {
  const secret = newSigningSecret();
  const listener = spawn(process.execPath, [MAIN, 'webhooks', 'listen', '--json'], {
    env: { ...cleanEnvironment(), WEIGHBRIDGE_WEBHOOK_SECRET: secret },
  });
  let [stdout, stderr] = ['', ''];
  listener.stdout.on('data', (bytes) => (stdout += bytes));
  listener.stderr.on('data', (bytes) => (stderr += bytes));
  const ended = new Promise((resolve) => listener.on('close', resolve));
  await until('it listens', () => /listening on (\S+);/.test(stderr));
  const url = /listening on (\S+);/.exec(stderr)![1]!;
  const { gateway } = await open(t, () => ({
    webhooks: [
      { id: 'good', url, secret, allowPrivate: true },
      { id: 'forged', url: `${url}other`, secret: newSigningSecret(), allowPrivate: true },
    ],
  }));
  await call(gateway);
  const heard = (): { signature: string; body: { type: string } }[] =>
    stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { signature: string; body: { type: string } });
  await until('both came', () => heard().length === 2);
  assert.deepEqual(
    heard()
      .map(({ signature }) => signature)
      .sort(),
    ['no signature of it is made with this secret', 'verified'],
  );
  listener.kill('SIGINT');
  assert.equal(await ended, 0);
});

const MAIN = join(REPOSITORY, 'packages/gateway/src/main.ts');

async function cli(
  gateway: GatewayProcess,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args, '--state-dir', gateway.stateDir], { env: cleanEnvironment() });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes) => (stdout += bytes));
  child.stderr.on('data', (bytes) => (stderr += bytes));
  const code = await new Promise<number>((resolve) => child.on('close', (exit) => resolve(exit ?? -1)));
  return { code, stdout, stderr };
}
