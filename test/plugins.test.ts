/**
 * Plugins in the whole program. A recorder misses no event over SIGKILLs of the gateway; a house full of hostile plugins
 * changes no entry and no answer; one that decides has its way; one that was written for OpenClaw runs as it is. A plugin
 * that forgets what it saw shows that the comparison can fail.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { quotas, seed } from './quotas.ts';
import { Caller, callOnce } from './rig/caller.ts';
import { differences, type Sighting } from './rig/compare.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { readJournal } from './rig/journal.ts';
import { type Cleanups, lastFirst } from './rig/last-first.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { between, pick, type Random, seeded } from './rig/random.ts';
import { until } from './rig/until.ts';

const MODELS = ['ok-3', 'ok-8+gap-4ms'];
const SESSIONS = ['a', 'b', 'c', 'd'];

const RECORDER = `
import { appendFileSync } from 'node:fs';
export default {
  id: 'recorder',
  async onModelDispatchComplete(event, { eventId, seq, config }) {
    // In hand for a while, so that a kill finds it there: a cursor that moved too early would lose it.
    await new Promise((go) => setTimeout(go, 300));
    if (config.forgets && seq % 3 === 0) return;
    appendFileSync(new URL('./seen.ndjson', import.meta.url), JSON.stringify({ eventId, seq, session: event.sessionKey }) + '\\n');
  },
};`;

interface Seen {
  eventId: string;
  seq: number;
  session: string | null;
}

interface House {
  gateway: GatewayProcess;
  journalFile: string;
  folder: string;
  seen(): Seen[];
}

/** So that a hostile plugin is set aside soon. */
const HASTY = { handlerTimeoutMs: 600, failuresMax: 2, heapBytesMax: 32 << 20 };

/** `limits`: of plugins. A machine that does much else must not be what a plugin is set aside for. */
async function house(
  context: Cleanups,
  sources: Record<string, string>,
  plugins: object = {},
  limits: object = {},
): Promise<House> {
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  for (const [id, source] of Object.entries(sources)) writePlugin(join(scratch, id), id, source);
  const load = { paths: Object.keys(sources).map((id) => join(scratch, id)) };
  const gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: scriptedConfig(provider.baseUrl, {
      plugins: { load, ...plugins },
      limits: { plugins: { loadTimeoutMs: 60_000, ...limits } },
    }),
  });
  t.after(() => gateway.kill().catch(() => {}));
  const file = join(scratch, 'recorder', 'seen.ndjson');
  return { gateway, journalFile: provider.journalFile, folder: scratch, seen: () => linesOf<Seen>(file) };
}

function writePlugin(path: string, id: string, source: string): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name: id, type: 'module', main: 'index.js' }));
  writeFileSync(join(path, 'index.js'), source);
}

function linesOf<Line>(file: string): Line[] {
  if (!existsSync(file)) return [];
  // A line that the kill cut short is no line: its event was not done, and comes again.
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Line];
      } catch {
        return [];
      }
    });
}

function eventsOf(gateway: GatewayProcess): { id: string; seq: number }[] {
  const db = new DatabaseSync(gateway.databaseFile, { readOnly: true, timeout: 5000 });
  try {
    return db.prepare(`select id, seq from events where type = 'model.usage' order by seq`).all() as never;
  } finally {
    db.close();
  }
}

/** What the recorder missed, and where the first sight of a session's events was out of order. */
function mistakes(events: readonly { id: string }[], seen: readonly Seen[]): string[] {
  const ids = new Set(seen.map(({ eventId }) => eventId));
  const found = events.filter(({ id }) => !ids.has(id)).map(({ id }) => `${id} was missed`);
  const firsts = [...new Map(seen.toReversed().map((one) => [one.eventId, one])).values()];
  const place = new Map(seen.map(({ eventId }, index) => [eventId, index] as const).toReversed());
  firsts.sort((a, b) => place.get(a.eventId)! - place.get(b.eventId)!);
  const last = new Map<string, number>();
  for (const { session, seq, eventId } of firsts) {
    if (session === null) continue;
    if (seq < (last.get(session) ?? 0)) found.push(`${eventId} of ${session} came too late`);
    last.set(session, Math.max(seq, last.get(session) ?? 0));
  }
  return found;
}

async function callFor(gateway: GatewayProcess, random: Random, untilGone: { stopped: boolean }): Promise<Sighting[]> {
  const sightings: Sighting[] = [];
  const caller = new Caller(gateway.url, gateway.token);
  while (!untilGone.stopped && !caller.closed) {
    const headers = { 'x-weighbridge-session-key': pick(random, SESSIONS) };
    const exchange = caller.chat({ model: `scripted/${pick(random, MODELS)}`, stream: random() < 0.7, headers });
    await exchange.over;
    sightings.push({ dispatchId: exchange.dispatchId, sawEnd: exchange.sawEnd });
  }
  caller.close();
  return sightings;
}

/** However much there is, as long as it becomes less: what sixty kills have left may take minutes. */
async function caughtUp(gateway: GatewayProcess): Promise<void> {
  const headers = { authorization: `Bearer ${gateway.token}` };
  let left = Number.POSITIVE_INFINITY;
  while (left > 0) {
    await until(`the plugin goes on from ${left} events behind`, async () => {
      const answer = await fetch(`${gateway.url}/api/v1/plugins/recorder`, { headers });
      const { behind } = (await answer.json()) as { behind: number };
      const hasMoved = behind < left;
      left = Math.min(left, behind);
      return hasMoved;
    });
  }
}

async function killRepeatedly(t: Cleanups, kills: number, random: Random, config: object = {}): Promise<string[]> {
  const { gateway, seen } = await house(t, { recorder: RECORDER }, { entries: { recorder: { config } } });
  for (let kill = 0; kill < kills; kill++) {
    await gateway.start();
    const untilGone = { stopped: false };
    const callers = [1, 2, 3, 4].map(() => callFor(gateway, random, untilGone));
    const before = seen().length;
    await until('the plugin has work in hand', () => seen().length > before + 10);
    await sleep(between(random, 5, 150));
    untilGone.stopped = true;
    await gateway.kill();
    await Promise.all(callers);
  }
  await gateway.start();
  const events = eventsOf(gateway);
  const lastSeq = events.at(-1)!.seq;
  await caughtUp(gateway);
  await gateway.stop();
  console.log(`${events.length} events to seq ${lastSeq}, ${seen().length - events.length} came again`);
  assert.ok(events.length > kills * 4, 'hardly anything happened');
  return mistakes(events, seen());
}

test(`over ${quotas.pluginKills} kills a plugin misses no event, and gets each session’s in order`, async (t) => {
  console.log(`seed ${seed}`);
  assert.deepEqual(await killRepeatedly(t, quotas.pluginKills, seeded(seed)), []);
});

test('control: a plugin that drops every third event is caught', async (t) => {
  const found = await killRepeatedly(t, 1, seeded(seed + 1), { forgets: true });
  assert.ok(found.some((sentence) => / was missed/.test(sentence)));
});

const observer = (id: string, body: string, before = ''): string =>
  `${before}; export default { id: '${id}', async onModelDispatchComplete(event) { ${body} } };`;
const HOSTILE: Record<string, string> = {
  throws: observer('throws', 'throw new Error(JSON.stringify(event));'),
  hangs: observer('hangs', 'await new Promise(() => {});'),
  spins: observer('spins', 'for (;;);'),
  leaves: observer('leaves', 'process.exit(7);'),
  bombs: observer('bombs', 'const kept = []; for (;;) kept.push(new Array(100_000).fill(event));'),
  pollutes: observer(
    'pollutes',
    'event.usage.input = 0; event.outcome = "failed";',
    'Object.prototype.model = "x"; Array.prototype.push = null',
  ),
  shouts: observer(
    'shouts',
    'for (let n = 0; n < 5000; n++) { console.log("x".repeat(9999)); process.stdout.write("{}\\n"); }',
  ),
  broken: 'export default {',
  decides: `export default { id: 'decides', intercept: { timeoutMs: 30 }, async beforeModelDispatch() {
    if (Math.random() < 0.3) throw new Error('no'); await new Promise(() => {});
  } };`,
};

test('a house full of hostile plugins changes no entry and no answer, and the recorder beside them gets everything', async (t) => {
  const { gateway, journalFile, seen } = await house(t, { ...HOSTILE, recorder: RECORDER }, {}, HASTY);
  await gateway.start();
  const random = seeded(seed);
  const untilGone = { stopped: false };
  const callers = [1, 2, 3].map(() => callFor(gateway, random, untilGone));
  const api = { headers: { authorization: `Bearer ${gateway.token}` } };
  const listed = async (): Promise<
    { id: string; status: string; restarts: number; faults: Record<string, number> }[]
  > => ((await (await fetch(`${gateway.url}/api/v1/plugins`, api)).json()) as { data: never }).data;
  await until('those that kill themselves were started anew', async () => {
    const restarted = (await listed()).filter(({ restarts }) => restarts > 0).map(({ id }) => id);
    return ['spins', 'leaves', 'bombs'].every((id) => restarted.includes(id)) && seen().length > 30;
  });
  untilGone.stopped = true;
  const sightings = (await Promise.all(callers)).flat();
  const all = await listed();
  assert.deepEqual(
    all.filter(({ status }) => status === 'failed').map(({ id }) => id),
    ['broken'],
  );
  await until('the recorder has everything', () => mistakes(eventsOf(gateway), seen()).length === 0);
  assert.equal(await gateway.stop(), 0);
  assert.ok(sightings.length > 20 && sightings.every(({ sawEnd }) => sawEnd), 'an answer was not whole');
  const ledger = new LedgerReader(gateway.databaseFile);
  const entries = ledger.entries();
  const found = [...differences(readJournal(journalFile).requests, entries, sightings), ...ledger.inconsistencies()];
  ledger.close();
  assert.deepEqual(found, []);
  assert.ok(entries.every(({ outcome }) => outcome === 'completed'));
});

const GUARD = `
export default {
  id: 'guard',
  beforeModelDispatch({ tags, provider }) {
    if (tags.includes('deny')) return { deny: { reason: 'not today' } };
    if (tags.includes('other')) return { model: 'ok-8+gap-4ms', tags: ['moved'], headers: { 'x-lane': 'slow' } };
  },
};`;
/** Its author has never heard of us: OpenClaw’s entry, names and services. */
const FOREIGN = `
import { appendFileSync } from 'node:fs';
import { definePluginEntry } from 'openclaw/plugin-sdk/plugin-entry';
const saw = (hook) => (event, ctx) => appendFileSync(new URL('./seen.ndjson', import.meta.url), JSON.stringify({ hook, event, ctx }) + '\\n');
export default definePluginEntry({
  id: 'usage-forwarder', name: 'Usage forwarder',
  register(api) {
    api.logger.info('for ' + api.pluginConfig.url);
    for (const hook of ['model_call_ended', 'llm_output', 'agent_end']) api.on(hook, saw(hook));
    api.registerService({ id: 'forwarder', start: saw('start'), stop: saw('stop') });
  },
});`;

async function asked(gateway: GatewayProcess, tags: string): Promise<{ status: number; text: string }> {
  return callOnce(gateway, { model: 'scripted/ok-3', headers: { 'x-weighbridge-tags': tags } });
}

test('a plugin denies, moves, tags and adds headers; one written for OpenClaw gets its field names', async (t: TestContext) => {
  const entries = {
    'usage-forwarder': { config: { url: 'http://billing' }, hooks: { allowConversationAccess: true } },
  };
  const { gateway, journalFile, folder } = await house(t, { guard: GUARD, foreign: FOREIGN }, { entries });
  await gateway.start();
  const denied = await asked(gateway, 'deny');
  assert.equal(denied.status, 403);
  assert.match(denied.text, /"code":"denied_by_plugin"/);
  assert.match(denied.text, /'guard' denied this call: not today/);
  assert.equal((await asked(gateway, 'other')).status, 200);
  assert.equal((await asked(gateway, 'plain')).status, 200);
  const { requests } = readJournal(journalFile);
  assert.deepEqual(
    requests.map(({ model, headers }) => [model, headers['x-lane'] ?? null]),
    [
      ['ok-8+gap-4ms', 'slow'],
      ['ok-3', null],
    ],
  );
  const seen = () =>
    linesOf<{ hook: string; event: Record<string, unknown>; ctx: object }>(join(folder, 'foreign/seen.ndjson'));
  await until('all hooks were called', () => seen().filter(({ hook }) => hook === 'agent_end').length === 3);
  const api = { headers: { authorization: `Bearer ${gateway.token}` } };
  const { data } = (await (await fetch(`${gateway.url}/api/v1/dispatches`, api)).json()) as {
    data: { tags: string[] }[];
  };
  assert.deepEqual(
    data.map(({ tags }) => tags),
    [['plain'], ['other', 'moved']],
  );
  await gateway.stop();
  const calls = seen();
  assert.deepEqual(
    ['start', 'model_call_ended', 'llm_output', 'agent_end', 'stop'].map(
      (name) => calls.filter(({ hook }) => hook === name).length,
    ),
    [1, 2, 2, 3, 1],
  );
  const ended = calls.find(({ hook }) => hook === 'model_call_ended')!.event;
  assert.match(String(ended.callId), /^run_\w+:model:1$/);
  assert.deepEqual([ended.provider, ended.outcome, ended.requestPayloadBytes], ['scripted', 'completed', null]);
  const { usage, assistantTexts, prompt } = calls.find(({ hook }) => hook === 'llm_output')!.event;
  const tokens = requests[0]!.tokens!;
  assert.deepEqual((usage as { output: number }).output, tokens.output);
  assert.deepEqual([assistantTexts, prompt], [[], null]);
  const ends = calls.filter(({ hook }) => hook === 'agent_end').map(({ event }) => [event.success, event.error]);
  assert.deepEqual(ends, [
    [false, 'denied_by_plugin'],
    [true, null],
    [true, null],
  ]);
});
