/** `doctor` on real ledgers of both engines, real files and a provider that keeps what it was asked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { runOn, testDatabase } from '../../../../test/rig/postgres-server.ts';
import { OPTIONS } from '../config/options.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import { bytesText, type Check } from './check.ts';
import { diskCheck, skewCheck } from './check-store.ts';
import { runCli } from './program.ts';
import { writeRunning } from './running.ts';

interface Seen {
  code: number;
  text: string;
  ok: boolean;
  checks: Check[];
  settings: { path: string; value: unknown; source: string; reason: string }[];
  of(subject: string): Check[];
}

async function run(args: string[], variables: Record<string, string>): Promise<{ code: number; text: string }> {
  let text = '';
  const code = await runCli(['doctor', ...args], {
    stdout: (more) => {
      text += more;
    },
    write: () => assert.fail('it is not much'),
    stderr: (more) => {
      text += more;
    },
    isTerminal: false,
    stderrIsTerminal: false,
    variables,
    onInterrupt: () => {},
    startGateway: () => assert.fail('doctor starts nothing'),
  });
  return { code, text };
}

async function examined(stateDir: string, variables: Record<string, string> = {}, args: string[] = []): Promise<Seen> {
  const { code, text } = await run(['--state-dir', stateDir, '--json', ...args], variables);
  const { ok, data, settings } = JSON.parse(text) as { ok: boolean; data: Check[]; settings: Seen['settings'] };
  return { code, text, ok, checks: data, settings, of: (subject) => data.filter((check) => check.subject === subject) };
}

/** Nobody may have the usual port; the file is otherwise empty unless told. */
function stateDirectory(t: TestContext, config: object = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'weighbridge.json5'), JSON.stringify({ gateway: { port: 0 }, ...config }));
  return path;
}

/** A ledger with one settled entry, made as a gateway makes it. */
async function fill(database: Parameters<typeof openStore>[0]['database']): Promise<string> {
  const ids = new IdSource();
  const store = await openStore({
    database,
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
  const ledger = await StoredLedger.begin(deps, ids.next('led'));
  const dispatchId = ids.next('dsp');
  const attribution = {
    ...{ tenantId: 'default', keyId: null, agentId: null, sessionKey: null, sessionId: null, endUserId: null },
    ...{ endUserSource: null, tags: [], metadata: {}, traceparent: null },
  };
  const names = { provider: 'openai', model: 'm', requestedModel: 'm', api: 'openai-completions' as const };
  const intent = { dispatchId, runId: ids.next('run'), attempt: 1, attribution, ...names };
  await ledger.open({ ...intent, stream: false, source: 'gateway', startedAt: Date.now() });
  await ledger.settle({
    ...{ dispatchId, tenantId: 'default', outcome: 'failed', httpStatus: 500, errorKind: 'upstream_error' },
    ...{ stopReason: null, serviceTier: null, usage: null, usageSource: 'none', rawUsage: null, latencyMs: 1 },
    ...{
      timeToFirstTokenMs: null,
      endedAt: Date.now(),
      providerRequestId: null,
      price: null,
      otherModels: [],
      servedModel: null,
      providerCost: null,
    },
  });
  await ledger.close();
  await store.close();
  return ledger.ledgerId;
}

function change(stateDir: string, statement: string): void {
  const db = new DatabaseSync(join(stateDir, 'weighbridge.sqlite'));
  db.exec(statement);
  db.close();
}

test('doctor says which engine has the ledger, how large it is, its schema, its disk and the clock', async (t) => {
  const stateDir = stateDirectory(t);
  const before = await examined(stateDir);
  assert.equal(before.code, 0, before.text);
  assert.match(before.of('ledger')[0]!.text, /does not exist yet/);
  const ledgerId = await fill({ kind: 'sqlite', file: join(stateDir, 'weighbridge.sqlite') });
  const { code, ok, of, text } = await examined(stateDir);
  assert.deepEqual([code, ok], [0, true], text);
  assert.match(of('ledger')[0]!.text, /weighbridge\.sqlite, SQLite 3\.\d+\.\d+, \d+\.\d kB$/);
  assert.match(of('schema')[0]!.text, /^\d{4}-\S+, the newest/);
  assert.match(of('entries')[0]!.text, new RegExp(`^${ledgerId}, 1 events, 0 open; the newest agree`));
  assert.match(of('disk')[0]!.text, /% full, .* free/);
  assert.deepEqual(of('clock'), [{ subject: 'clock', verdict: 'ok', text: 'not behind the last entry' }]);
  assert.match(of('prices')[0]!.text, /^book of \d{4}-\d\d-\d\d/);
});

test('doctor finds what is wrong with a ledger, and only failures change the exit code', async (t) => {
  const wrongs: [name: string, statement: string, code: number, subject: string, text: RegExp][] = [
    [
      'a clock that was ahead',
      `update ledger set "lastSettledAt" = ${Date.now() + 90_000}`,
      0,
      'clock',
      /\d\d s ahead of this/,
    ],
    ['an older schema', `delete from kysely_migration where name > '0004'`, 0, 'schema', /serve brings it up to date/],
    ['a newer schema', `insert into kysely_migration values ('9999-later', '')`, 3, 'schema', /newer Weighbridge/],
    ['an import that broke off', 'update ledger set importing = 1', 3, 'entries', /broke off/],
    ['a lost event', 'delete from events', 3, 'entries', /the last number given is 1/],
    ['a lost entry', 'delete from entries', 3, 'entries', /no entry under their number/],
    ['a damaged file', 'drop table ledger', 3, 'ledger', /no such table/],
  ];
  for (const [name, statement, expected, subject, text] of wrongs) {
    const stateDir = stateDirectory(t);
    await fill({ kind: 'sqlite', file: join(stateDir, 'weighbridge.sqlite') });
    change(stateDir, statement);
    const { code, checks } = await examined(stateDir);
    assert.equal(code, expected, name);
    const found = checks.filter((check) => check.subject === subject && text.test(check.text));
    assert.equal(found.length, 1, `${name}: ${JSON.stringify(checks)}`);
    assert.equal(found[0]!.verdict, expected === 3 ? 'failure' : 'warning', name);
  }
});

test('doctor asks a PostgreSQL for its size, its gateways and its clock, and never says the password', async (t) => {
  const url = await testDatabase();
  const given = URL.parse(url)!;
  given.password ||= 'hunter2';
  const variables = { WEIGHBRIDGE_DATABASE_URL: given.href };
  const stateDir = stateDirectory(t);
  const empty = await examined(stateDir, variables);
  assert.match(empty.of('schema')[0]!.text, /^empty; serve brings it/);
  await fill({ kind: 'postgres', url: new Secret(url) });
  await runOn(url, `update instances set "leaseUntil" = extract(epoch from now()) * 1000 + 60000`);
  const { code, of, text } = await examined(stateDir, variables);
  assert.equal(code, 0, text);
  assert.match(of('ledger')[0]!.text, /^postgres:\/\/\S+, PostgreSQL \d+\.\S+.*, \d+\.\d MB$/);
  assert.match(of('entries')[0]!.text, /1 events, 0 open, 1 gateway\(s\) alive/);
  assert.match(of('clock')[0]!.text, /^\d+ ms (behind|ahead of) the database, asked within \d+ ms$/);
  assert.ok(!text.includes('hunter2'));
  given.port = '1';
  const away = await examined(stateDir, { WEIGHBRIDGE_DATABASE_URL: given.href });
  assert.equal(away.code, 3);
  assert.match(away.of('ledger')[0]!.text, /ECONNREFUSED/);
});

test('clocks are called apart only by more than the question took', () => {
  const verdict = (aheadMs: number, roundTripMs: number) => skewCheck({ aheadMs, roundTripMs }).verdict;
  assert.deepEqual(
    [verdict(1500, 1), verdict(-2500, 1), verdict(2500, 1), verdict(2500, 1200)],
    ['ok', 'warning', 'warning', 'ok'],
  );
  assert.match(skewCheck({ aheadMs: -2500, roundTripMs: 2 }).text, /^2,500 ms behind the database/);
});

test('a disk below the floor is a failure, and a size is said as people say it', async (t) => {
  const stateDir = stateDirectory(t);
  const file = join(stateDir, 'not/there/yet/weighbridge.sqlite');
  const check = await diskCheck({ kind: 'sqlite', file }, Number.MAX_SAFE_INTEGER);
  assert.equal(check.verdict, 'failure');
  assert.match(check.text, /calls are refused below limits\.diskFreeBytesMin/);
  assert.notEqual((await diskCheck({ kind: 'sqlite', file }, 0)).verdict, 'failure');
  assert.deepEqual([0, 999, 1000, 1_234_567, 5e14].map(bytesText), [
    '0 bytes',
    '999 bytes',
    '1.0 kB',
    '1.2 MB',
    '500.0 TB',
  ]);
});

test('every limit is listed with its value, its reason and who gave it, and what is off says who wanted it so', async (t) => {
  const stateDir = stateDirectory(t, {
    limits: { runsMax: 7 },
    upstream: { idleTimeoutMs: 0 },
    metering: { onCallerGone: 'abort' },
  });
  const variables = { WEIGHBRIDGE_TOKEN: 'hunter2-hunter2-hunter2' };
  const { text } = await run(['--state-dir', stateDir], variables);
  for (const [path, { reason }] of Object.entries(OPTIONS).filter(([path]) => path.startsWith('limits.'))) {
    assert.ok(text.includes(path) && text.includes(reason), path);
  }
  assert.match(text, /^limits\.runsMax +7 +file +Runs in flight/m);
  assert.match(text, /^gateway\.auth\.token +set +WEIGHBRIDGE_TOKEN/m);
  assert.ok(!text.includes('hunter2'));
  const { of, settings, checks } = await examined(stateDir, variables);
  const off = of('off').map((check) => check.text);
  assert.ok(off.includes('gateway.http.endpoints.chatCompletions.enabled: false (the default)'), off.join('; '));
  assert.ok(off.includes('upstream.idleTimeoutMs: 0 ms (file)'), off.join('; '));
  assert.ok(off.includes('metering.onCallerGone: abort (file)'), off.join('; '));
  assert.ok(!checks.some((check) => check.verdict === 'warning' && check.text.includes('endpoint is off')));
  assert.ok(settings.some(({ path, value, source }) => path === 'limits.runsMax' && value === 7 && source === 'file'));
});

test('doctor says whether the running gateway takes calls, sheds some, or has died', async (t) => {
  const stateDir = stateDirectory(t);
  let answer = {};
  const gateway = createServer((_request, response) => response.end(JSON.stringify(answer))).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  t.after(() => gateway.close());
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  writeRunning(stateDir, { url, pid: 4711, startedAt: '', version: '' });
  const found = async (said: object): Promise<[number, string, string]> => {
    answer = said;
    const { code, of } = await examined(stateDir);
    return [code, of('gateway')[0]!.verdict, of('gateway')[0]!.text];
  };
  assert.deepEqual(await found({ ready: true }), [0, 'ok', `runs at ${url}, process 4711`]);
  const shedding = { ready: true, failing: [], load: { shedding: true } };
  assert.deepEqual(await found(shedding), [0, 'warning', `at ${url} is overloaded and sheds calls`]);
  const full = { ready: false, failing: ['ledger', 'disk'] };
  assert.deepEqual(await found(full), [3, 'failure', `at ${url} takes no calls: ledger, disk`]);
  gateway.closeAllConnections();
  gateway.close();
  await once(gateway, 'close');
  assert.match((await found({}))[2], /does not run; the last one \(process 4711\) did not end by itself/);
});

test('--live asks each provider once, for its list of models, with its key in its own header; without it nobody is asked', async (t) => {
  const asked: IncomingMessage[] = [];
  const upstream = createServer((request, response) => {
    asked.push(request);
    const status = Number(/^\/(\d+)/.exec(request.url ?? '')?.[1]);
    response.writeHead(status, status === 302 ? { location: '/200/elsewhere' } : {}).end('{}');
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.after(() => upstream.close());
  const base = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const provider = (status: number, api: string, apiKey: string | undefined = 'hunter2') => ({
    baseUrl: `${base}/${status}`,
    api,
    apiKey,
    models: [],
  });
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port: deadPort } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  const dead = { baseUrl: `http://127.0.0.1:${deadPort}`, api: 'openai-completions', apiKey: 'hunter2', models: [] };
  const stateDir = stateDirectory(t, {
    models: {
      mode: 'replace',
      providers: {
        good: provider(200, 'openai-completions'),
        claude: provider(200, 'anthropic-messages'),
        gemini: provider(200, 'google-generate'),
        refused: provider(401, 'openai-responses'),
        listless: provider(404, 'openai-completions'),
        moved: provider(302, 'openai-completions'),
        ill: provider(503, 'openai-completions'),
        dead,
      },
    },
  });
  const quiet = await examined(stateDir);
  assert.deepEqual([quiet.code, asked.length], [0, 0], quiet.text);
  const { code, of, text } = await examined(stateDir, {}, ['--live']);
  assert.equal(code, 3);
  const verdicts = ['good', 'claude', 'gemini', 'refused', 'listless', 'moved', 'ill', 'dead'].map(
    (id) => of(`live ${id}`)[0]!.verdict,
  );
  assert.deepEqual(verdicts, ['ok', 'ok', 'ok', 'failure', 'note', 'failure', 'warning', 'failure']);
  assert.match(of('live dead')[0]!.text, /cannot be reached \(ECONNREFUSED\)/);
  assert.ok(!text.includes('hunter2'));
  const requests = asked.map(({ method, url, headers }) => {
    const key = ['authorization', 'x-api-key', 'x-goog-api-key'].find((name) =>
      String(headers[name]).includes('hunter2'),
    );
    return `${method} ${url} ${key}`;
  });
  assert.deepEqual(requests.sort(), [
    'GET /200/models authorization',
    'GET /200/models x-goog-api-key',
    'GET /200/v1/models x-api-key',
    'GET /302/models authorization',
    'GET /401/models authorization',
    'GET /404/models authorization',
    'GET /503/models authorization',
  ]);
});
