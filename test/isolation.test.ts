/**
 * Promise P5: a session's outbound headers reach that session's dispatches and no others. A thousand sessions, callers that
 * dispatch, patch, clear, reset, abort, come back and fall back at random, and an upstream that compares the raw headers of
 * each request with what they must be (isolation/oracle.ts). At the end the ledger must tell the same as the wire.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, type TestContext, test } from 'node:test';
import type { Control } from './isolation/controls.ts';
import { House, type Opened } from './isolation/house.ts';
import { CONTEXT, OWN } from './isolation/oracle.ts';
import { Player, SESSIONS } from './isolation/player.ts';
import { Recorder, type Sighting } from './isolation/recorder.ts';
import { Sockets } from './isolation/sockets.ts';
import { quotas, seed } from './quotas.ts';
import { scratchDirectory } from './rig/gateway-process.ts';
import { lastFirst } from './rig/last-first.ts';
import { runOn, testDatabase } from './rig/postgres-server.ts';
import { seeded } from './rig/random.ts';

/** Fewer than there are: some are read again from the database. */
const SESSIONS_KNOWN_MAX = 300;
/** Each hears of every run. */
const SOCKETS = 3;
const house = new House();
after(() => house.leave());

interface Played {
  recorder: Recorder;
  player: Player;
  /** What the ledger says otherwise than the wire. */
  disagreements: string[];
}

interface Setting {
  control?: Control;
  /** Two gateways on this database; else one on a file of its own. */
  databaseUrl?: string;
}

async function play(context: TestContext, dispatches: number, setting: Setting = {}): Promise<Played> {
  const { control = 'none', databaseUrl } = setting;
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const recorder = await Recorder.start();
  t.after(() => recorder.close());
  const config = configIn(scratch, recorder.origin);
  const gateways: Opened[] = [];
  for (const name of databaseUrl === undefined ? ['one'] : ['one', 'two']) {
    gateways.push(await house.open({ config, stateDir: join(scratch, name), control, databaseUrl }));
  }
  const sockets = await Sockets.connect(gateways, seeded(seed), SOCKETS);
  const player = new Player({ gateways, sockets, recorder, seed });
  try {
    await player.play(dispatches);
  } finally {
    sockets.close();
    await house.close();
  }
  const rows = databaseUrl === undefined ? rowsOfFile(join(scratch, 'one')) : await runOn<Row>(databaseUrl, ROWS);
  return { recorder, player, disagreements: compare(rows, recorder.sightings) };
}

function configIn(scratch: string, origin: string): string {
  const provider = (id: string, api = 'openai-completions') => ({
    api,
    baseUrl: `${origin}/${id}/v1`,
    apiKey: 'sk-upstream',
    contextHeaders: { [CONTEXT.session]: '{sessionKey}', [CONTEXT.dispatch]: '{dispatchId}' },
  });
  const file = join(scratch, 'config.json5');
  writeFileSync(
    file,
    JSON.stringify({
      gateway: { http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } } },
      models: {
        mode: 'replace',
        providers: {
          one: provider('one'),
          two: { ...provider('two'), outboundHeaders: { allow: ['x-iso-a', OWN] } },
          three: provider('three'),
          resp: provider('resp', 'openai-responses'),
          anth: provider('anth', 'anthropic-messages'),
        },
      },
      agents: { list: [{ id: 'iso', model: { primary: 'one/m', fallbacks: ['two/m', 'three/m'] } }] },
      ledger: { durability: 'process' },
      // Not all of them are in memory. And what is tested is who gets which headers, on however slow a machine.
      limits: { sessionsKnownMax: SESSIONS_KNOWN_MAX, laneTurnsMax: 64, eventLoopLagMaxMs: 0, ledgerWaitMaxMs: 0 },
    }),
  );
  return file;
}

type Row = Record<'dispatchId' | 'sessionKey' | 'provider' | 'outcome', string | null>;
const ROWS = 'select "dispatchId", "sessionKey", provider, outcome from entries';

function rowsOfFile(stateDir: string): Row[] {
  const db = new DatabaseSync(join(stateDir, 'weighbridge.sqlite'), { readOnly: true });
  const rows = db.prepare(ROWS).all() as Row[];
  db.close();
  return rows;
}

/** Every request that arrived has one entry, of its session and its provider; an entry without a request was aborted. */
function compare(rows: readonly Row[], sightings: ReadonlyMap<string, Sighting>): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const { dispatchId, sessionKey, provider, outcome } of rows) {
    const sighting = sightings.get(dispatchId!);
    if (sighting === undefined) {
      if (outcome !== 'aborted') found.push(`${dispatchId} is ${outcome} and never arrived`);
      continue;
    }
    if (seen.has(dispatchId!)) found.push(`${dispatchId} has two entries`);
    seen.add(dispatchId!);
    if (sessionKey !== sighting.sessionKey || provider !== sighting.provider) {
      found.push(`${dispatchId} is ${sessionKey} at ${provider}, but was ${JSON.stringify(sighting)}`);
    }
  }
  for (const dispatchId of sightings.keys()) if (!seen.has(dispatchId)) found.push(`${dispatchId} has no entry`);
  return found;
}

function judge(t: TestContext, { recorder, player, disagreements }: Played, dispatches: number): void {
  t.diagnostic(`${recorder.dispatches} dispatches of ${SESSIONS} sessions: ${JSON.stringify(player.done)}`);
  assert.deepEqual(player.problems, []);
  assert.deepEqual(recorder.wrong.slice(0, 10), []);
  assert.deepEqual(disagreements.slice(0, 10), []);
  assert.ok(recorder.dispatches >= dispatches);
}

test('headers that were read when a request is sent would be found out', async (t) => {
  const control = 'headers read when a request is sent';
  const { recorder } = await play(t, quotas.isolationControlDispatches, { control });
  assert.ok(recorder.wrong.some((what) => what.includes('with which its run began')));
});

test('sessions that were mixed up now and then would be found out', async (t) => {
  const control = 'sessions mixed up now and then';
  const { recorder } = await play(t, quotas.isolationControlDispatches, { control });
  assert.ok(recorder.wrong.some((what) => what.includes('is no state of')));
});

test('a ledger that names another session would be found out', async (t) => {
  const control = 'a ledger that names another session';
  const { disagreements } = await play(t, quotas.isolationControlDispatches, { control });
  assert.ok(disagreements.some((what) => what.includes('but was')));
});

test('among a thousand sessions no dispatch carries another’s headers, and the ledger agrees with the wire', async (t) => {
  t.diagnostic(`seed ${seed}; WEIGHBRIDGE_TEST_SEED=${seed} makes the same choices`);
  judge(t, await play(t, quotas.isolatedDispatches), quotas.isolatedDispatches);
});

test('nor among those that two gateways share, whichever of them was asked', async (t) => {
  const dispatches = quotas.isolatedSharedDispatches;
  judge(t, await play(t, dispatches, { databaseUrl: await testDatabase() }), dispatches);
});
