/** What a backup and an export that a signal ends in the middle leave behind: nothing. On a server that keeps them waiting. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { runOn, testDatabase } from '../../../../test/rig/postgres-server.ts';
import { until } from '../../../../test/rig/until.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import { start, stateDirectory } from './program.fixture.ts';

const WAITING = `select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;

test('a backup or export that a signal ends in the middle takes away what it wrote, and says which signal', async (t) => {
  const url = await testDatabase();
  const ids = new IdSource();
  const store = await openStore({
    database: { kind: 'postgres', url: new Secret(url) },
    durability: 'process',
    rooms: [EVENT_WRITES, LEDGER_WRITES],
    intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS],
  });
  const deps = { store, clock: systemClock, instanceId: ids.next('ins'), announce: () => {}, report: assert.fail };
  await (await StoredLedger.begin(deps, ids.next('led'))).close();
  await store.close();
  const holder = new pg.Client(url);
  await holder.connect();
  t.after(() => holder.end());
  await holder.query('begin; lock table events, entries in access exclusive mode');

  const stateDir = stateDirectory(t);
  const verbs = [
    { args: ['backup', join(stateDir, 'copy.sqlite')], signal: 'SIGTERM', code: 143 },
    { args: ['export', '--out', join(stateDir, 'entries.ndjson')], signal: 'SIGINT', code: 130 },
  ] as const;
  for (const { args, signal, code } of verbs) {
    const verb = start(t, ['ledger', ...args, '--state-dir', stateDir], { WEIGHBRIDGE_DATABASE_URL: url });
    await until(`${args[0]} waits for the server`, async () => (await runOn(url, WAITING)).length > 0);
    assert.equal(readdirSync(stateDir).length > 0, true, `${args[0]} has begun its file`);
    verb.process.kill(signal);
    assert.equal(await verb.ended, code);
    assert.deepEqual(readdirSync(stateDir), [], args[0]);
    // The server does not notice by itself that nobody waits for its answer.
    await runOn(url, `select pg_terminate_backend(pid) from (${WAITING}) as waiting`);
    await until('the server has let go', async () => (await runOn(url, WAITING)).length === 0);
  }
});
