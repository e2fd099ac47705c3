/**
 * The asking verbs over a real ledger, twice: through a gateway's HTTP door and from the file itself once it is gone. Both
 * must print the same, to the letter.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import pino from 'pino';
import { createAccess } from '../access/authenticate.ts';
import { loadConfig } from '../config/load.ts';
import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import { pin } from '../domain/price.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { buildServer } from '../http/server.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { recordsByEntryId } from '../ledger/questions.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Catalogue } from '../providers/catalogue.ts';
import { openStore } from '../store/open.ts';
import { runCli } from './program.ts';
import { removeRunning, writeRunning } from './running.ts';

const ids = new IdSource();
const NOBODY = `dsp_${'0'.repeat(26)}`;
const PRICE = pin('config', {
  input: 2_500_000n,
  output: 10_000_000n,
  cacheRead: 1_250_000n,
  cacheWrite: 2_500_000n,
  cacheWrite1h: 5_000_000n,
});

interface House {
  stateDir: string;
  ledger: StoredLedger;
  url: string;
  close(): Promise<void>;
}

async function house(t: TestContext): Promise<House> {
  const stateDir = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  const { config, secrets } = await loadConfig({ flags: { stateDir }, variables: {}, createToken: true });
  const store = await openStore({
    database: config.database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const render = (tenantId: string, entryIds: readonly string[]) => recordsByEntryId(store, tenantId, entryIds);
  const events = new EventLog({ store, ledgerId: () => 'led_1', renderers: { 'model.usage': render } });
  const ledger = await StoredLedger.begin(
    {
      store,
      clock: systemClock,
      instanceId: ids.next('ins'),
      announce: (seq) => events.announce(seq),
      report: (error) => assert.fail(error),
    },
    ids.next('led'),
  );
  const closing = new AbortController();
  const server = await buildServer({
    config,
    access: createAccess(config.auth, secrets, systemClock),
    // Nothing is dispatched here: entries are written as dispatch writes them.
    runs: {
      start: () => assert.fail('no run is started'),
      pass: () => assert.fail('nothing is passed'),
      atDoor: () => null,
      inFlight: () => [],
      stop: () => false,
      draining: false,
    },
    ledger,
    store,
    events,
    catalogue: new Catalogue(config.providers),
    clock: systemClock,
    log: pino({ enabled: false }),
    closing: closing.signal,
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  writeRunning(stateDir, { url, pid: process.pid, startedAt: '', version: '' });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    closing.abort();
    removeRunning(stateDir);
    await server.close();
    await ledger.close();
    await store.close();
  };
  t.after(close);
  return { stateDir, ledger, url, close };
}

async function call(
  ledger: StoredLedger,
  model: string,
  over: Partial<EntrySettlement> = {},
  { price = true, endUserId = 'tenant-42' } = {},
): Promise<string> {
  const dispatchId = ids.next('dsp');
  const intent: EntryIntent = {
    dispatchId,
    runId: ids.next('run'),
    attempt: 1,
    attribution: {
      tenantId: 'default',
      keyId: null,
      agentId: 'main',
      sessionKey: 'agent:main:s1',
      sessionId: null,
      endUserId,
      endUserSource: 'header',
      tags: [],
      metadata: {},
      traceparent: null,
    },
    provider: 'openai',
    model,
    requestedModel: 'openclaw/main',
    api: 'openai-completions',
    stream: false,
    source: 'gateway',
    startedAt: Date.now(),
  };
  await ledger.open(intent);
  await ledger.settle({
    dispatchId,
    tenantId: 'default',
    outcome: 'completed',
    httpStatus: 200,
    errorKind: null,
    stopReason: 'stop',
    serviceTier: null,
    usage: makeUsage({ input: 63, output: 20, cacheRead: 40 }),
    usageSource: 'reported',
    rawUsage: '{"prompt_tokens":103}',
    price: price ? PRICE : null,
    otherModels: [],
    servedModel: null,
    providerCost: null,
    latencyMs: 289,
    timeToFirstTokenMs: 120,
    endedAt: Date.now(),
    providerRequestId: 'req_1',
    ...over,
  });
  return dispatchId;
}

async function run(
  args: string[],
  variables: Record<string, string> = {},
  interrupts: (() => void)[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const code = await runCli(args, {
    stdout: (text) => {
      stdout += text;
    },
    write: async (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    isTerminal: false,
    stderrIsTerminal: false,
    variables,
    onInterrupt: (listener) => interrupts.push(listener),
    startGateway: () => assert.fail('no verb here starts a gateway'),
  });
  return { code, stdout, stderr };
}

test('every asking verb prints the same from a running gateway and from the ledger itself', async (t) => {
  const { stateDir, ledger, close } = await house(t);
  const id = await call(ledger, 'gpt-5');
  await call(ledger, 'gpt-5');
  await call(ledger, 'unpriced', {}, { price: false });
  await call(ledger, 'gone', { outcome: 'aborted', usage: null, usageSource: 'none', rawUsage: null, latencyMs: null });
  await call(ledger, 'gpt-5', {}, { endUserId: 'somebody-else' });
  const at = ['--state-dir', stateDir];
  const questions = [
    ['models', ...at],
    ['usage', ...at, '--by', 'agent,outcome', '--to', '2100-01-01'],
    ['usage', ...at, '--by', 'session', '--to', '2100-01-01', '--end-user', 'tenant-42'],
    ['usage', ...at, '--json', '--from', '2026-01-01', '--to', '2100-01-01', '--model', 'gpt-5'],
    [
      'usage',
      ...at,
      '--json',
      '--by',
      'model,endUser',
      '--to',
      '2100-01-01',
      '--bucket',
      'hour',
      '--tz',
      'Asia/Kathmandu',
    ],
    ['usage', ...at, '--by', 'none', '--to', '2100-01-01', '--bucket', 'month', '--latency', '--outcome', 'completed'],
    ['usage', ...at, '--by', 'model', '--to', '2100-01-01', '--limit', '1', '--source', 'gateway'],
    ['dispatches', ...at, '--limit', '2', '--agent', 'main', '--session', 'agent:main:s1'],
    ['dispatches', ...at, '--outcome', 'aborted', '--json'],
    ['dispatches', 'show', id, ...at],
    ['dispatches', 'show', id, ...at, '--json'],
    ['dispatches', 'show', NOBODY, ...at],
  ];
  const live = [];
  for (const question of questions) live.push(await run(question));
  await close();
  for (const [index, question] of questions.entries()) {
    const asked = question.join(' ');
    assert.equal(live[index]?.code, asked.includes(NOBODY) ? 1 : 0, `${asked}: ${live[index]?.stderr}`);
    assert.deepEqual(await run(question), live[index], asked);
  }
});

test('models shows the counts of every model and of all', async (t) => {
  const { stateDir, ledger } = await house(t);
  await call(ledger, 'gpt-5');
  await call(ledger, 'gpt-5');
  await call(ledger, 'new', {}, { price: false });
  const { stdout } = await run(['models', '--state-dir', stateDir]);
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
  assert.deepEqual(rows[0], ['model', 'requests', 'prompt', 'completion', 'total tokens', 'cost']);
  // 2 x (63 x 2.5 + 20 x 10 + 40 x 1.25) millionths of a dollar.
  assert.deepEqual(rows[2], ['openai/gpt-5', '2', '206', '40', '246', '$0.000815']);
  assert.deepEqual(rows[3], ['openai/new', '1', '103', '20', '123', '–']);
  assert.deepEqual(rows[4], ['demo/scripted', '0', '0', '0', '0', '$0.000000']);
  assert.deepEqual(rows[6], ['all', '3', '309', '60', '369', '$0.000815+']);
  assert.match(stdout, /^1 without a price/m);
});

test('a list that goes on says how, and the cursor goes on', async (t) => {
  const { stateDir, ledger } = await house(t);
  const first = await call(ledger, 'gpt-5');
  const second = await call(ledger, 'gpt-5');
  const page = await run(['dispatches', '--state-dir', stateDir, '--limit', '1']);
  assert.ok(page.stdout.includes(second));
  const cursor = /more: --cursor (\S+)/.exec(page.stdout)?.[1] ?? '';
  const next = await run(['dispatches', '--state-dir', stateDir, '--limit', '1', '--cursor', cursor]);
  assert.ok(next.stdout.includes(first));
  assert.doesNotMatch(next.stdout, /more:/);
});

test('a wrong token is a sentence, and --url works without any state directory', async (t) => {
  const { stateDir, url } = await house(t);
  const wrong = await run(['usage', '--url', url, '--token', 'wrong']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /does not accept this token/);
  const token = (await run(['token', '--state-dir', stateDir])).stdout.trim();
  const elsewhere = { WEIGHBRIDGE_STATE_DIR: join(stateDir, 'nowhere') };
  assert.equal((await run(['usage', '--url', url], { ...elsewhere, WEIGHBRIDGE_TOKEN: token })).code, 0);
  assert.equal((await run(['usage', '--url', url, '--token', token], elsewhere)).code, 0);
});

test('wrong words for usage are refused before anybody is asked', async () => {
  const wrong = [
    ['--bucket', 'week'],
    ['--tz', 'Mars/Olympus'],
    ['--by', 'colour'],
    ['--limit', '0'],
    ['--limit', '10001'],
    ['--outcome', 'open'],
    ['--source', 'thin-air'],
    ['--from', 'yesterday'],
  ];
  for (const words of wrong) {
    const { code, stderr } = await run(['usage', '--url', 'http://127.0.0.1:1', ...words]);
    assert.equal(code, 2, words.join(' '));
    assert.ok(stderr.includes(words[0]!), stderr);
  }
});

test('models --watch follows from what it has shown, so nothing settled in between is missed', async (t) => {
  const resumedFrom = Promise.withResolvers<unknown>();
  const interrupts: (() => void)[] = [];
  const totals = {
    requests: 0,
    input: '0',
    output: '0',
    cacheRead: '0',
    cacheWrite: '0',
    cacheWrite1h: '0',
    total: '0',
  };
  const gateway = createServer((request, response) => {
    if (request.url?.startsWith('/api/v1/events')) {
      resumedFrom.resolve(request.headers['last-event-id']);
      for (const interrupt of interrupts) interrupt();
      return;
    }
    const composition = { unpriced: 0 };
    response.end(
      JSON.stringify({ data: [], rows: [], asOfSeq: 7, totals: { ...totals, costUsd: '0.0', composition } }),
    );
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  t.after(() => {
    gateway.closeAllConnections();
    gateway.close();
  });
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  const { code } = await run(['models', '--watch', '--url', url, '--token', 'x'], {}, interrupts);
  assert.equal(code, 0);
  assert.equal(await resumedFrom.promise, '7');
});

test('models --watch shows a call when it is settled, and ends with Ctrl-C', async (t) => {
  const { stateDir, ledger } = await house(t);
  let text = '';
  const interrupts: (() => void)[] = [];
  const shown = { initial: Promise.withResolvers<void>(), call: Promise.withResolvers<void>() };
  const watching = runCli(['models', '--watch', '--json', '--state-dir', stateDir], {
    stdout: (line) => {
      text += line;
      shown.initial.resolve();
      if (line.includes('openai/gpt-5')) shown.call.resolve();
    },
    write: async (line) => assert.fail(line),
    stderr: (line) => assert.fail(line),
    isTerminal: false,
    stderrIsTerminal: false,
    variables: {},
    onInterrupt: (listener) => interrupts.push(listener),
    startGateway: () => assert.fail('no verb here starts a gateway'),
  });
  await shown.initial.promise;
  await call(ledger, 'gpt-5');
  await shown.call.promise;
  for (const interrupt of interrupts) interrupt();
  assert.equal(await watching, 0);
  assert.equal(text.trim().split('\n').length, 2);
});
