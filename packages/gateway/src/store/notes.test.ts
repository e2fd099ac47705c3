/** Notes on real files: what is noted becomes a row, whatever becomes of the process; whoever asks finds it at once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, test } from 'node:test';
import { openStore, type StoreOptions } from './open.ts';
import { Notes } from './sqlite/notes.ts';
import type { Store } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'weighbridge-notes-'));
const open: Store[] = [];
let files = 0;
after(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

function options(over: Partial<StoreOptions> = {}): StoreOptions & { database: { file: string } } {
  const rooms = [{ statements: {}, scripts: new URL('./noted-script.fixture.ts', import.meta.url) }];
  const database = { kind: 'sqlite' as const, file: join(folder, `${++files}.sqlite`) };
  return { durability: 'power', rooms, intents: ['keep'], noted: ['keep'], ...over, database };
}

async function opened(given: StoreOptions): Promise<Store> {
  const store = await openStore(given);
  open.push(store);
  return store;
}

async function close(store: Store): Promise<void> {
  open.splice(open.indexOf(store), 1);
  await store.close();
}

/** Kept inputs, by a reader of its own or by the store's. */
const KEPT = 'select one from probe order by one';
async function kept(store: Store): Promise<unknown[]> {
  const rows = await store.read(store.queries.selectFrom('probe').select('one').orderBy('one').compile());
  return rows.map(({ one }) => one);
}
function onDisk(file: string): unknown[] {
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare(KEPT).all();
  db.close();
  return rows.map(({ one }) => one);
}

test('what a process noted before it was killed are rows when the next one has opened the store', async () => {
  const given = options();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'noting-process.fixture.ts'), given.database.file]);
  const [, signal] = (await once(child, 'exit')) as [unknown, string];
  assert.equal(signal, 'SIGKILL');
  assert.deepEqual(onDisk(given.database.file), [], 'it was killed too late to show anything');
  await opened(given);
  assert.deepEqual(onDisk(given.database.file), [7, 8, 9]);
});

test('a note that broke off with its process is none, and hides no other; what is committed already is not repeated in vain', async () => {
  const given = options();
  const notes = new Notes(given.database.file);
  notes.take({ script: 'keep', input: 1 });
  appendFileSync(`${given.database.file}-notes-a`, '\n1234abcd ["keep",2');
  notes.take({ script: 'keep', input: 3 });
  notes.take({ script: 'keep', input: 3 });
  notes.close();
  assert.deepEqual(await kept(await opened(given)), [1, 3]);
});

test('whoever asks finds what was noted a moment ago', async () => {
  const store = await opened(options());
  await store.write('keep', 1);
  assert.deepEqual(await kept(store), [1]);
});

test('who follows what is committed makes no rows of notes before their time', async () => {
  const store = await opened(options());
  const query = store.queries.selectFrom('probe').select('one').compile();
  await store.read(query);
  await store.write('keep', 1);
  assert.deepEqual(await store.read(query, 'announced'), []);
  assert.equal((await store.read(query)).length, 1);
});

test('what is written after a note finds its row, in the same transaction', async () => {
  const store = await opened(options());
  const noted = store.write('keep', 1);
  await store.write('probe', null);
  await noted;
  assert.deepEqual(await kept(store), [1]);
});

test('notes are private, and nothing of them stays when the store was closed', async () => {
  const given = options();
  const store = await opened(given);
  await store.write('keep', 1);
  const notes = `${given.database.file}-notes-a`;
  assert.equal(statSync(notes).mode & 0o777, 0o600);
  assert.ok(readFileSync(notes).length > 0);
  await close(store);
  assert.equal(readFileSync(notes).length, 0);
  assert.deepEqual(onDisk(given.database.file), [1]);
});

test('notes that the database does not take wait for it, and are rows as soon as it does', async () => {
  const given = options();
  const store = await opened(given);
  const healed = new Promise<void>((resolve) => store.onAvailability((reason) => reason === null && resolve()));
  const other = new DatabaseSync(given.database.file);
  other.exec('begin immediate');
  await store.write('keep', 5);
  await assert.rejects(store.write('probe', null));
  assert.equal(store.available, false);
  assert.deepEqual(await kept(store), []);
  other.exec('rollback');
  other.close();
  await healed;
  assert.deepEqual(await kept(store), [1, 5]);
});

test('what a store could not commit before it was closed is a row after the next start', async () => {
  const given = options();
  const store = await opened(given);
  const other = new DatabaseSync(given.database.file);
  other.exec('begin immediate');
  await store.write('keep', 5);
  await close(store);
  other.exec('rollback');
  other.close();
  assert.deepEqual(onDisk(given.database.file), []);
  await opened(given);
  assert.deepEqual(onDisk(given.database.file), [5]);
});

test('a note that the database refuses for good takes no other with it, and is said aloud', async () => {
  const given = options();
  const store = await opened(given);
  const warned = once(process, 'warning');
  await Promise.all([1, -1, 2].map((input) => store.write('keep', input)));
  assert.deepEqual(await kept(store), [1, 2]);
  const [warning] = (await warned) as [Error];
  assert.match(warning.message, /refused a keep/);
});

test('a file of notes is emptied only when each of them is committed', async () => {
  const file = join(folder, 'turns.sqlite');
  const notes = new Notes(file);
  const input = 'x'.repeat(64 * 1024);
  const size = (name: string): number => statSync(`${file}-notes-${name}`).size;
  const taken = Array.from({ length: 17 }, () => notes.take({ script: 'keep', input }));
  assert.ok(size('a') > 1 << 20 && size('b') > 0, 'the second is used when the first is full');
  // The first has open notes: however full the second is, nothing of the first is lost.
  for (let more = 0; more < 40; more++) taken.push(notes.take({ script: 'keep', input }));
  const full = size('a');
  assert.ok(size('b') > 2 << 20);
  for (const note of taken) notes.done(note);
  notes.take({ script: 'keep', input: 1 });
  assert.ok(size('a') < full);
  notes.close();
});

test('with durability "strict" nothing is noted: an intent is on the disk before anybody goes on', async () => {
  const given = options({ durability: 'strict' });
  const store = await opened(given);
  await store.write('keep', 1);
  assert.equal(existsSync(`${given.database.file}-notes-a`), false);
  assert.deepEqual(onDisk(given.database.file), [1]);
});
