/** `ledger`: verified, rebuilt, exported, backed up and moved, on a real file and a real server. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { runOn, testDatabase } from '../../../../test/rig/postgres-server.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { csvCell } from '../ledger/export.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { lockFile, openStore } from '../store/open.ts';
import { runCli } from './program.ts';
import { barText, progressBar } from './progress.ts';

const ids = new IdSource();
const PRICE = { input: 1n, output: 1n, cacheRead: 1n, cacheWrite: 1n, cacheWrite1h: 1n };

async function run(stateDir: string, args: string[], variables: Record<string, string> = {}, stderrIsTerminal = false) {
  let stdout = '';
  let stderr = '';
  const verb = args[0] === 'usage' ? args : ['ledger', ...args];
  const code = await runCli([...verb, '--state-dir', stateDir], {
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
    stderrIsTerminal,
    variables,
    onInterrupt: () => {},
    startGateway: () => assert.fail('no gateway is needed'),
  });
  return { code, stdout, stderr };
}

/** A state directory with a ledger of that many calls; the store stays open until `close`. */
async function filled(t: TestContext, calls = 25) {
  const stateDir = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  const file = join(stateDir, 'weighbridge.sqlite');
  const store = await openStore({
    database: { kind: 'sqlite', file },
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
  const ledger = await StoredLedger.begin(deps, ids.next('led'));
  const call = async (): Promise<void> => {
    const dispatchId = ids.next('dsp');
    await ledger.open({
      dispatchId,
      runId: ids.next('run'),
      attempt: 1,
      attribution: {
        tenantId: 'default',
        keyId: null,
        agentId: null,
        sessionKey: null,
        sessionId: null,
        endUserId: '=HYPERLINK("http://x")',
        endUserSource: 'header',
        tags: [],
        metadata: {},
        traceparent: null,
      },
      provider: 'openai',
      model: 'gpt-5',
      requestedModel: 'gpt-5',
      api: 'openai-completions',
      stream: false,
      source: 'gateway',
      startedAt: Date.now(),
    });
    await ledger.settle({
      dispatchId,
      tenantId: 'default',
      outcome: 'completed',
      httpStatus: 200,
      errorKind: null,
      stopReason: 'stop',
      serviceTier: null,
      usage: makeUsage({ input: 63, output: 20 }),
      usageSource: 'reported',
      rawUsage: null,
      price: { priceId: 'p', source: 'config', rates: PRICE, basis: null },
      otherModels: [],
      servedModel: null,
      providerCost: null,
      latencyMs: 10,
      timeToFirstTokenMs: 1,
      endedAt: Date.now(),
      providerRequestId: null,
    });
  };
  for (let n = 0; n < calls; n++) await call();
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await ledger.close();
    await store.close();
  };
  t.after(close);
  return { stateDir, file, ledgerId: ledger.ledgerId, call, close };
}

test('verify says what agrees while a gateway has the file, and finds a rollup that was changed', async (t) => {
  const { stateDir, file } = await filled(t);
  const right = await run(stateDir, ['verify']);
  assert.equal(right.code, 0, right.stderr);
  assert.match(right.stdout, /agrees with itself: 25 entries \(0 in flight\), 25 events, 1 rollups/);
  const other = new DatabaseSync(file);
  other.exec('update rollups set output = output - 1');
  other.close();
  const wrong = await run(stateDir, ['verify', '--json']);
  assert.equal(wrong.code, 3);
  assert.match(JSON.parse(wrong.stdout).problems[0], /has output 499, its entries give 500/);
});

test('rebuild waits for nobody: it says that a gateway has the file, and mends the rollups when none has', async (t) => {
  const { stateDir, file, close } = await filled(t);
  const refused = await run(stateDir, ['rebuild']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /another Weighbridge is using/);
  await close();
  const other = new DatabaseSync(file);
  other.exec('update rollups set output = output - 1');
  other.close();
  assert.equal((await run(stateDir, ['rebuild'])).code, 0);
  assert.equal((await run(stateDir, ['verify'])).code, 0);
});

test('an NDJSON export holds every entry, and any change to it is found', async (t) => {
  const { stateDir, ledgerId } = await filled(t);
  const exported = join(stateDir, 'export.ndjson');
  const made = await run(stateDir, ['export', '--out', exported]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(statSync(exported).mode & 0o777, 0o600);
  const text = readFileSync(exported, 'utf8');
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.length, 27);
  assert.equal(JSON.parse(lines[0]!).ledgerId, ledgerId);
  assert.equal(JSON.parse(lines[1]!).entry.usage.total, 83);
  assert.equal((await run(stateDir, ['verify', '--file', exported])).code, 0);
  assert.equal((await run(stateDir, ['export'])).stdout.split('\n').length, 28);

  const changes: Record<string, string[]> = {
    changed: lines.with(5, lines[5]!.replace('"input":63', '"input":62')),
    dropped: lines.toSpliced(7, 1),
    doubled: lines.toSpliced(7, 0, lines[7]!),
    moved: lines.with(3, lines[4]!).with(4, lines[3]!),
    cut: lines.slice(0, 20),
    added: [...lines, lines[1]!],
    'another head': lines.with(0, lines[0]!.replace(/led_./, 'led_Z')),
    'another count': lines.with(26, lines[26]!.replace('25', '24')),
    'not an export': ['{}'],
    nothing: [''],
  };
  for (const [name, changed] of Object.entries(changes)) {
    const file = join(stateDir, 'changed.ndjson');
    writeFileSync(file, `${changed.join('\n')}\n`);
    assert.equal((await run(stateDir, ['verify', '--file', file])).code, 3, name);
  }
});

test('a CSV export is safe to open in a spreadsheet', async (t) => {
  const { stateDir } = await filled(t, 2);
  const { stdout } = await run(stateDir, ['export', '--format', 'csv']);
  const lines = stdout.split('\r\n');
  assert.equal(lines.length, 4);
  assert.match(lines[1]!, /,"'=HYPERLINK\(""http:\/\/x""\)",openai,/);
  assert.deepEqual(
    ['-1.5', '@x', '+a', '-cmd', '\tx', 'a\nb', null, 3].map((value) => csvCell(value)),
    ['-1.5', "'@x", "'+a", "'-cmd", "'\tx", '"a\nb"', '', '3'],
  );
});

test('a backup is made while a gateway has the file, and is another ledger', async (t) => {
  const { stateDir, ledgerId, call } = await filled(t);
  const copy = join(stateDir, 'copy.sqlite');
  const made = await run(stateDir, ['backup', copy, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const answer = JSON.parse(made.stdout);
  assert.equal(answer.copyOf, ledgerId);
  assert.notEqual(answer.ledgerId, ledgerId);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  await call();
  const db = new DatabaseSync(copy, { readOnly: true });
  assert.deepEqual(
    { ...db.prepare('select "ledgerId", "lastSeq" from ledger').get() },
    { ledgerId: answer.ledgerId, lastSeq: 25 },
  );
  db.close();
  const again = await run(stateDir, ['backup', copy]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /exists already/);
});

test('an export has no end unless told: settlement times may be ahead of this clock', async (t) => {
  const { stateDir, file } = await filled(t, 3);
  const other = new DatabaseSync(file);
  const tomorrow = Date.now() + 86_400_000;
  other.exec(`update events set at = ${tomorrow} where seq = 3`);
  other.close();
  const all = await run(stateDir, ['export', '--json']);
  assert.equal(all.stdout.split('\n').length, 6, all.stderr);
  assert.equal(JSON.parse(all.stdout.split('\n')[0]!).to, null);
  const today = await run(stateDir, ['export', '--to', new Date(tomorrow).toISOString()]);
  assert.equal(JSON.parse(today.stdout.trimEnd().split('\n').at(-1)!).count, 2);
  assert.equal((await run(stateDir, ['export', '--from', '1d', '--to', '2d'])).code, 2);
});

test('an export says what it wrote as JSON, and refuses to mix that with CSV', async (t) => {
  const { stateDir } = await filled(t, 3);
  const out = join(stateDir, 'entries.csv');
  const written = await run(stateDir, ['export', '--format', 'csv', '--out', out, '--json']);
  assert.deepEqual(JSON.parse(written.stdout), { object: 'export', file: out, format: 'csv', entries: 3 });
  const mixed = await run(stateDir, ['export', '--format', 'csv', '--json']);
  assert.equal(mixed.code, 2);
  assert.match(mixed.stderr, /contradict/);
});

test('the bar of an export counts to what the export holds', async (t) => {
  const { stateDir, file } = await filled(t, 5);
  const other = new DatabaseSync(file);
  other.exec('update events set at = 1000 where seq < 4');
  other.close();
  const { stderr } = await run(stateDir, ['export', '--from', '2000-01-01'], {}, true);
  assert.match(stderr, /100 % 2 of 2/);
  const exported = join(stateDir, 'export.ndjson');
  await run(stateDir, ['export', '--out', exported]);
  const { size } = statSync(exported);
  const checked = await run(stateDir, ['verify', '--file', exported], {}, true);
  assert.ok(checked.stderr.includes(`100 % ${size.toLocaleString('en-US')} of`), checked.stderr);
});

test('a backup that fails removes what it made and nothing else', async (t) => {
  const { stateDir, file } = await filled(t, 3);
  const other = new DatabaseSync(file);
  other.exec('update rollups set output = output - 1');
  other.close();
  const copy = join(stateDir, 'copy.sqlite');
  const foreign = [`${copy}.part`, `${copy}-wal`];
  for (const name of foreign) writeFileSync(name, 'of somebody else');
  const failed = await run(stateDir, ['backup', copy]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /does not agree with itself/);
  const left = readdirSync(stateDir).filter((name) => name.startsWith('copy'));
  assert.deepEqual(left.sort(), ['copy.sqlite-wal', 'copy.sqlite.part']);
  const inTheWay = `${copy}.${process.pid}.part`;
  writeFileSync(inTheWay, 'of a backup that broke off');
  assert.match((await run(stateDir, ['backup', copy])).stderr, /remove it/);
  assert.equal(readFileSync(inTheWay, 'utf8'), 'of a backup that broke off');
  assert.match((await run(stateDir, ['backup', join(stateDir, 'no/folder')])).stderr, /cannot be written \(ENOENT\)/);
});

test('verbs that read refuse the tables of another version in a sentence; a backup of them is checked for damage only', async (t) => {
  const { stateDir, file, close } = await filled(t, 3);
  await close();
  const elsewhere = join(stateDir, 'elsewhere');
  const change = (statement: string): void => {
    const db = new DatabaseSync(file);
    db.exec(statement);
    db.close();
  };
  const refusals = async (): Promise<string[]> => {
    const ran = [];
    for (const verb of ['verify', 'export', 'usage']) ran.push(await run(stateDir, [verb]));
    ran.push(await run(elsewhere, ['import', file]));
    assert.deepEqual(new Set(ran.map(({ code }) => code)), new Set([1]));
    return ran.map(({ stderr }) => stderr);
  };
  change('delete from kysely_migration where name = (select max(name) from kysely_migration)');
  for (const stderr of await refusals()) assert.match(stderr, /has the tables of an older Weighbridge; `serve` brings/);
  const made = await run(stateDir, ['backup', join(stateDir, 'older.sqlite'), '--json']);
  assert.equal(made.code, 0, made.stderr);
  const { entries, verified } = JSON.parse(made.stdout);
  assert.deepEqual([entries, verified], [3, false]);
  change(`insert into kysely_migration values ('9999-later', '')`);
  for (const stderr of await refusals())
    assert.match(stderr, /was written by a newer Weighbridge \(migration 9999-later\)/);
});

test('import knows its own ledger and a gateway’s by whatever name', async (t) => {
  const { stateDir, file, close } = await filled(t, 2);
  const link = join(stateDir, 'link.sqlite');
  symlinkSync(file, link);
  assert.match((await run(stateDir, ['import', link])).stderr, /is the configured ledger itself/);
  assert.match((await run(stateDir, ['import', join(stateDir, 'none')])).stderr, /there is no file/);
  const elsewhere = join(stateDir, 'elsewhere');
  assert.match((await run(elsewhere, ['import', link])).stderr, /another Weighbridge is using/);
  await close();
  const servedByLink = await lockFile(link);
  assert.match((await run(elsewhere, ['import', file])).stderr, /another Weighbridge is using/);
  servedByLink.release();
  const moved = await run(elsewhere, ['import', link]);
  assert.equal(moved.code, 0, moved.stderr);
});

test('import moves the file to the configured server, once, and only while nobody serves it', async (t) => {
  const { stateDir, file, ledgerId, close } = await filled(t);
  const variables = { WEIGHBRIDGE_DATABASE_URL: await testDatabase() };
  const refused = await run(stateDir, ['import', file], variables);
  assert.match(refused.stderr, /another Weighbridge is using/);
  await close();
  const moved = await run(stateDir, ['import', file], variables);
  assert.equal(moved.code, 0, moved.stderr);
  assert.match(moved.stdout, new RegExp(`${ledgerId} is in postgres://127.0.0.1:\\d+/\\S+: 25 entries, 25 events`));
  assert.equal((await run(stateDir, ['verify'], variables)).code, 0);
  const again = await run(stateDir, ['import', file], variables);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /Import needs an empty one/);
});

test('a backup of a server is a file of its own, which goes back into an empty database', async (t) => {
  const { stateDir, file, ledgerId, close } = await filled(t);
  await close();
  const variables = { WEIGHBRIDGE_DATABASE_URL: await testDatabase() };
  assert.equal((await run(stateDir, ['import', file], variables)).code, 0);
  const copy = join(stateDir, 'copy.sqlite');
  const made = await run(stateDir, ['backup', copy, '--json'], variables);
  assert.equal(made.code, 0, made.stderr);
  const answer = JSON.parse(made.stdout);
  assert.deepEqual([answer.copyOf, answer.entries], [ledgerId, 25]);
  assert.notEqual(answer.ledgerId, ledgerId);
  assert.deepEqual(
    readdirSync(stateDir).filter((name) => name.startsWith('copy')),
    ['copy.sqlite'],
  );
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  const restored = { WEIGHBRIDGE_DATABASE_URL: await testDatabase() };
  const back = await run(stateDir, ['import', copy, '--json'], restored);
  assert.equal(JSON.parse(back.stdout).ledgerId, answer.ledgerId);
  assert.equal((await run(stateDir, ['verify'], restored)).code, 0);
});

for (const engine of ['sqlite', 'postgres'] as const) {
  test(`rename gives a copied ledger another id, and refuses while a gateway has it (${engine})`, async (t) => {
    const { stateDir, file, ledgerId, close } = await filled(t, 2);
    const variables: Record<string, string> = {};
    let refused = await run(stateDir, ['rename']);
    await close();
    if (engine === 'postgres') {
      const url = await testDatabase();
      variables.WEIGHBRIDGE_DATABASE_URL = url;
      assert.match((await run(stateDir, ['rename'], variables)).stderr, /nothing is recorded yet/);
      assert.equal((await run(stateDir, ['import', file], variables)).code, 0);
      await runOn(url, `update instances set "leaseUntil" = extract(epoch from now()) * 1000 + 60000`);
      refused = await run(stateDir, ['rename'], variables);
      await runOn(url, `update instances set "leaseUntil" = 0`);
    }
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, engine === 'sqlite' ? /another Weighbridge is using/ : /1 gateway\(s\) have/);
    const done = await run(stateDir, ['rename', '--json'], variables);
    assert.equal(done.code, 0, done.stderr);
    const answer = JSON.parse(done.stdout);
    assert.equal(answer.copyOf, ledgerId);
    assert.notEqual(answer.ledgerId, ledgerId);
    assert.equal(JSON.parse((await run(stateDir, ['rename', '--json'], variables)).stdout).copyOf, answer.ledgerId);
    assert.equal((await run(stateDir, ['verify'], variables)).code, 0);
  });
}

test('a progress bar says how far and how long, and stays away where nobody looks', () => {
  assert.equal(
    barText('copying', 500, 2000, 1000),
    'copying [========                      ] 25 % 500 of 2,000, 3 s left',
  );
  const drawn: string[] = [];
  const hidden = progressBar({ stderr: (text) => void drawn.push(text), stderrIsTerminal: false });
  hidden.show('copying', 1, 2);
  hidden.end();
  assert.equal(drawn.length, 0);
  let now = 0;
  const shown = progressBar({ stderr: (text) => void drawn.push(text), stderrIsTerminal: true }, () => now);
  for (now = 0; now < 1000; now++) shown.show('copying', now, 1001);
  shown.end();
  assert.equal(drawn.length, 11);
});
