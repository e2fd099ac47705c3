/**
 * Support for this room's tests: a real store with its ledger and event log, plugins written to real folders as they are
 * given, and what they saw, which each writes to a file of its own. Nothing of ours is imitated.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import type { Database } from '../domain/config.ts';
import type { PluginEntry, PluginLimits } from '../domain/plugin.ts';
import { EventLog } from '../events/log.ts';
import { CURSOR_SCRIPTS, EVENT_WRITES } from '../events/room.ts';
import { StoredLedger } from '../ledger/ledger.ts';
import { INTENT_SCRIPTS, LEDGER_WRITES } from '../ledger/room.ts';
import { systemClock } from '../lib/clock.ts';
import { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { openStore } from '../store/open.ts';
import type { Engine, Store } from '../store/store.ts';
import { Plugins } from './plugins.ts';
import { PLUGIN_SCRIPTS, PLUGIN_WRITES } from './room.ts';

const ids = new IdSource();
/** For all houses: what a plugin's process loads is compiled once. */
const STATE_DIR = join(tmpdir(), 'weighbridge-plugin-tests');

export const LIMITS: PluginLimits = {
  heapBytesMax: 64 * 1024 * 1024,
  loadTimeoutMs: 5_000,
  handlerTimeoutMs: 500,
  failuresMax: 3,
  concurrentMax: 4,
  logLinesMax: 20,
};

/** What a plugin calls to write down what it saw: `saw({…})`. */
const SAW = `
import { appendFileSync } from 'node:fs';
const saw = (what) => appendFileSync(new URL('./seen.ndjson', import.meta.url), JSON.stringify(what) + '\\n');
`;

export interface Written {
  path: string;
  seen(): Record<string, unknown>[];
}

export class House {
  readonly store: Store;
  readonly log: EventLog;
  readonly said: { plugin: string; level: string; text: string }[] = [];
  readonly notLoaded: { path: string; plugin: string; reason: string }[] = [];
  readonly deaths: { plugin: string; reason: string }[] = [];
  readonly bugs: unknown[] = [];
  readonly folder: string;
  readonly #ledger: StoredLedger;
  readonly #opened: Plugins[] = [];

  private constructor(store: Store, ledger: StoredLedger, log: EventLog) {
    this.store = store;
    this.log = log;
    this.#ledger = ledger;
    this.folder = mkdtempSync(join(tmpdir(), 'wb-plugins-'));
  }

  static async open(engine: Engine = 'sqlite', given?: Database): Promise<House> {
    const database = given ?? (await freshDatabase(engine));
    const store = await openStore({
      database,
      durability: 'process',
      rooms: [EVENT_WRITES, LEDGER_WRITES, PLUGIN_WRITES],
      intents: [...INTENT_SCRIPTS, ...CURSOR_SCRIPTS, ...PLUGIN_SCRIPTS],
    });
    const log = new EventLog({ store, ledgerId: () => 'led', renderers: {} });
    store.onTold((payload) => (payload === null ? log.wake() : log.announce(Number(payload))));
    const ledger = await StoredLedger.begin(
      {
        store,
        clock: systemClock,
        instanceId: ids.next('ins'),
        announce: (seq) => log.announce(seq),
        report: (error) => assert.fail(error),
      },
      ids.next('led'),
    );
    return new House(store, ledger, log);
  }

  /** A folder with that source as its entry; `saw` is there for it. */
  write(id: string, source: string, manifest: object = {}): Written {
    const path = join(this.folder, id);
    mkdirSync(path, { recursive: true });
    writeFileSync(
      join(path, 'package.json'),
      JSON.stringify({ name: id, type: 'module', main: 'index.js', ...manifest }),
    );
    writeFileSync(join(path, 'index.js'), SAW + source);
    const file = join(path, 'seen.ndjson');
    return {
      path,
      seen: () => {
        if (!existsSync(file)) return [];
        const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
        return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      },
    };
  }

  /** Loads these and begins to follow for them. */
  async start(
    written: readonly Written[],
    {
      limits = {},
      entries = {},
    }: { limits?: Partial<PluginLimits>; entries?: Record<string, Partial<PluginEntry>> } = {},
  ): Promise<Plugins> {
    const plugins = new Plugins({
      settings: {
        folders: written.map(({ path }) => path),
        entries: new Map(Object.entries(entries).map(([id, entry]) => [id, { ...PLAIN_ENTRY, ...entry }])),
        limits: { ...LIMITS, ...limits },
      },
      store: this.store,
      log: this.log,
      clock: systemClock,
      holder: ids.next('ins'),
      stateDir: STATE_DIR,
      ledgerId: 'led',
      retryMs: 5,
      say: {
        line: (plugin, level, text) => this.said.push({ plugin, level, text }),
        notLoaded: (path, plugin, reason) => this.notLoaded.push({ path, plugin, reason }),
        died: (plugin, reason) => this.deaths.push({ plugin, reason }),
        setAside: () => {},
        bug: (error) => this.bugs.push(error),
      },
    });
    this.#opened.push(plugins);
    await plugins.load();
    plugins.started('http://127.0.0.1:1');
    return plugins;
  }

  /** Appends one event of a dispatch; its number. */
  async usage(over: Record<string, unknown> = {}, type = 'model.usage'): Promise<number> {
    const record = { tenantId: 'default', runId: ids.next('run'), sessionKey: null, sessionId: null, agentId: null };
    const fact = {
      tenantId: 'default',
      id: ids.next('evt'),
      type,
      subject: 'x',
      payload: JSON.stringify({ ...record, usage: null, latencyMs: 7, outcome: 'completed', model: 'm', ...over }),
      now: systemClock.now(),
    };
    return (await this.log.append(fact)).seq;
  }

  async cursor(id: string): Promise<number> {
    const query = this.store.queries.selectFrom('followers').select('seq').where('name', '=', `plugin:${id}`).compile();
    const [row] = await this.store.read<{ seq: number }>(query);
    return Number(row?.seq ?? -1);
  }

  cursorAt(id: string, seq: number, timeoutMs = 15_000): Promise<void> {
    return until(`the cursor of ${id} is at ${seq}`, async () => (await this.cursor(id)) === seq, timeoutMs);
  }

  async close(): Promise<void> {
    for (const plugins of this.#opened) await plugins.close();
    await this.#ledger.close();
    await this.store.close();
    rmSync(this.folder, { recursive: true });
    assert.deepEqual(this.bugs, []);
  }
}

const PLAIN_ENTRY: PluginEntry = {
  enabled: true,
  config: new Secret('{}'),
  intercept: { timeoutMs: null, onFailure: null },
};
