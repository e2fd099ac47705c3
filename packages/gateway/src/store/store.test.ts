/** The embedded store on real files: one owner, everything of a batch or nothing, and healing after refusals. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { openReadOnlyStore, openStore, type StoreOptions, syncs } from './open.ts';
import { DatabaseInUse } from './sqlite/lock.ts';
import { type Store, StoreUnavailable } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'weighbridge-store-'));
const open: Store[] = [];
let files = 0;
after(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

function options(over: Partial<StoreOptions> = {}): StoreOptions & { database: { file: string } } {
  const database = { kind: 'sqlite' as const, file: join(folder, 'state', `${++files}.sqlite`) };
  return { durability: 'power', rooms: [], intents: [], ...over, database };
}

async function opened(given: StoreOptions): Promise<Store> {
  const store = await openStore(given);
  open.push(store);
  return store;
}

test('the state directory is 0700 and every file of the database 0600', async () => {
  const given = options();
  const store = await opened(given);
  await store.write('probe', null);
  assert.equal(statSync(join(folder, 'state')).mode & 0o777, 0o700);
  for (const suffix of ['', '-wal', '-shm', '.lock']) {
    assert.equal(statSync(given.database.file + suffix).mode & 0o777, 0o600, suffix);
  }
});

test('a second gateway on the same file is refused, and taken once the first lets go', async () => {
  const given = options();
  const first = await openStore(given);
  await assert.rejects(openStore({ ...given, lockWaitMs: 50 }), DatabaseInUse);
  const waiting = opened({ ...given, lockWaitMs: 5000 });
  await sleep(50);
  await first.close();
  await waiting;
});

test('a lock goes with its owner, however it dies', async () => {
  const given = options();
  await (await openStore(given)).close();
  const lock = JSON.stringify(`${given.database.file}.lock`);
  const owner = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { DatabaseSync } from 'node:sqlite'; const db = new DatabaseSync(${lock}); db.exec('begin exclusive'); console.log('held'); setInterval(() => {}, 1000);`,
  ]);
  await once(owner.stdout, 'data');
  await assert.rejects(openStore({ ...given, lockWaitMs: 0 }), DatabaseInUse);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await opened({ ...given, lockWaitMs: 1000 });
});

test('while another process holds the database, writes are refused as unavailable, and taken again without a restart', async () => {
  const given = options();
  const store = await opened(given);
  const other = new DatabaseSync(given.database.file);
  other.exec('begin immediate');
  await assert.rejects(store.write('probe', null), StoreUnavailable);
  assert.equal(store.available, false);
  other.exec('rollback');
  other.close();
  while (!store.available) await sleep(20);
  await store.write('probe', null);
});

test('a script that fails takes nothing of its transaction with it', async () => {
  const rooms = [{ statements: {}, scripts: new URL('./failing-script.fixture.ts', import.meta.url) }];
  const given = options({ rooms });
  const store = await opened(given);
  const [bad, good] = await Promise.allSettled([store.write('writeThenThrow', 'bad'), store.write('probe', null)]);
  assert.equal(bad.status, 'rejected');
  assert.equal(good.status, 'fulfilled');
  const rows = await store.read(store.queries.selectFrom('probe').select('one').orderBy('one').compile());
  assert.deepEqual(
    rows.map((row) => row.one),
    [1],
  );
});

test('a database of a newer version is refused, not guessed at', async () => {
  const given = options();
  await (await openStore(given)).close();
  const db = new DatabaseSync(given.database.file);
  db.exec("insert into kysely_migration (name, timestamp) values ('9999-future', '')");
  db.close();
  await assert.rejects(openStore(given), /newer Weighbridge/);
});

test('a schema is brought up to date as a whole or not at all, and at the next start', async () => {
  const given = options();
  const db = new DatabaseSync(given.database.file);
  // In the way of the last migration.
  db.exec('create table reports (a)');
  await assert.rejects(openStore(given), /reports/);
  const tables = db.prepare("select name from sqlite_master where type = 'table' and name not like 'kysely%'").all();
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['reports'],
  );
  db.exec('drop table reports');
  db.close();
  await (await openStore(given)).close();
});

test('closing writes what still waits', async () => {
  const given = options();
  const store = await openStore(given);
  const written = store.write('probe', null);
  await store.close();
  await written;
  const reader = await openReadOnlyStore(given.database);
  assert.equal((await reader.read(reader.queries.selectFrom('probe').select('one').compile())).length, 1);
  await assert.rejects(reader.write('probe', null), StoreUnavailable);
  await reader.close();
});

test('a short question does not wait for a long one that was asked before it', async () => {
  const store = await opened(options());
  const count = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select max(i) as i from n`;
  const ended: string[] = [];
  const long = store.read(count.compile(store.queries)).then(() => ended.push('long'));
  // As each turn asks what it used: two at once.
  const short = () => store.read(store.queries.selectFrom('probe').select('one').compile());
  for (let n = 0; n < 5; n++) await Promise.all([short(), short()]).then(() => ended.push('short'));
  await long;
  assert.deepEqual(ended, [...Array.from({ length: 5 }, () => 'short'), 'long']);
});

test('durability says which commits wait for the disk', () => {
  const table = (['strict', 'power', 'process'] as const).map((durability) => [
    syncs(durability, 'intent'),
    syncs(durability, 'settlement'),
  ]);
  assert.deepEqual(table, [
    [true, true],
    [false, true],
    [false, false],
  ]);
});
