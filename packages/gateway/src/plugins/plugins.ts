/**
 * All plugins of this gateway: loaded before the first call comes in, followed for, ended. A plugin that cannot be loaded
 * is said once and stays listed; it keeps no other from running and no call from being made, unless the operator wants
 * calls refused without it.
 */
import { EventEmitter } from 'node:events';
import type { HeaderRules } from '../domain/outbound-headers.ts';
import type { PluginSettings } from '../domain/plugin.ts';
import type { EventLog } from '../events/log.ts';
import type { FollowerName } from '../events/scripts.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { EventsAside } from './aside.ts';
import { readFolder } from './folder.ts';
import { follow, followerOf } from './following.ts';
import { LIFE_HOOKS, typesFor } from './hooks.ts';
import { Interceptors } from './interceptors.ts';
import { Plugin } from './plugin.ts';

/** How long the gateway's end waits for what a plugin has in hand. */
const END_WAIT_MS = 2_000;

export interface PluginsDeps {
  settings: PluginSettings;
  store: Store;
  log: EventLog;
  clock: Clock;
  holder: string;
  stateDir: string;
  ledgerId: string;
  say: PluginsVoice;
  retryMs?: number;
}

/** What people are told, each in a sentence of the log. */
export interface PluginsVoice {
  line: (plugin: string, level: 'info' | 'warn' | 'error', text: string) => void;
  notLoaded: (path: string, plugin: string, reason: string) => void;
  died: (plugin: string, reason: string) => void;
  setAside: (plugin: string, seq: number, reason: string) => void;
  bug: (error: unknown) => void;
}

/** A folder that is no plugin. */
export interface BrokenFolder {
  path: string;
  reason: string;
}

export class Plugins {
  readonly aside: EventsAside;
  readonly broken: BrokenFolder[] = [];
  readonly #deps: PluginsDeps;
  readonly #plugins: Plugin[] = [];
  readonly #ending = new AbortController();
  readonly #following: Promise<void>[] = [];
  readonly #rewound = new Map<string, EventEmitter>();
  /** Must decide on every call by the operator's word, and do not run. */
  #missing: readonly string[] = [];
  #url: string | null = null;

  constructor(deps: PluginsDeps) {
    this.#deps = deps;
    this.aside = new EventsAside(deps.store, deps.clock);
  }

  /** Asked before each dispatch where `rules` say what a plugin may have sent. */
  interceptor(rules: () => HeaderRules): Interceptors {
    return new Interceptors({
      plugins: () => this.#plugins,
      missing: () => this.#missing,
      rules,
      now: () => performance.now(),
    });
  }

  /** Whether any plugin follows events of this type. */
  wants(type: string): boolean {
    return this.#running().some(({ hooks }) => typesFor(hooks).some((wanted) => wanted === type));
  }

  get all(): readonly Plugin[] {
    return this.#plugins;
  }

  /** Whose cursors move here or in another gateway. */
  get followed(): FollowerName[] {
    return this.#observing().map(({ id }) => followerOf(id));
  }

  /** Loads them side by side; then their cursors are there. */
  async load(): Promise<void> {
    const { settings, say } = this.#deps;
    for (const path of settings.folders) {
      const folder = readFolder(path);
      if (typeof folder === 'string') {
        this.broken.push({ path, reason: folder });
        say.notLoaded(path, path, folder);
        continue;
      }
      this.#plugins.push(this.#plugin(folder));
    }
    await Promise.all(this.#plugins.map((plugin) => plugin.load()));
    await this.#refuseTwins();
    for (const { folder, id, status, reason } of this.#plugins) {
      if (status === 'failed') say.notLoaded(folder.path, id, reason ?? '');
    }
    const deciding = this.#running().filter(({ intercepts }) => intercepts);
    this.#missing = [...settings.entries]
      .filter(
        ([id, { enabled, intercept }]) =>
          enabled && intercept.onFailure === 'failClosed' && !deciding.some((plugin) => plugin.id === id),
      )
      .map(([id]) => id);
    for (const id of this.#missing) say.notLoaded('', id, 'every call is refused without it (failClosed)');
    await this.#addFollowers();
  }

  /** The gateway listens: plugins are told so, and what they follow begins. */
  started(url: string): void {
    this.#url = url;
    for (const plugin of this.#running()) {
      this.#tellStart(plugin, 0);
      if (typesFor(plugin.hooks).length === 0) continue;
      const rewound = new EventEmitter();
      this.#rewound.set(plugin.id, rewound);
      this.#following.push(follow(plugin, this.#followingDeps(), this.#ending.signal, rewound));
    }
  }

  /**
   * Has events delivered again: all from `fromSeq` on, or (null) those set aside. Works through the database, whichever
   * gateway follows for the plugin now. Null: there is no such follower.
   */
  async replay(id: string, fromSeq: number | null): Promise<{ setAside: number } | null> {
    const { store } = this.#deps;
    const setAside = fromSeq === null ? await this.aside.replay(id) : 0;
    const seq = fromSeq === null ? null : Math.max(0, fromSeq - 1);
    const isThere = await store.write<boolean>('rewindFollowers', { ...followerOf(id), seq });
    // Another gateway that follows for it sees it when it renews its lease.
    this.#rewound.get(id)?.emit('rewound');
    return isThere ? { setAside } : null;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await inTime(Promise.all(this.#following), END_WAIT_MS);
    await Promise.all(
      this.#running()
        .filter(({ hooks }) => hooks.includes(LIFE_HOOKS[1]))
        .map((plugin) => plugin.perform({ kind: 'stop', event: { reason: 'shutdown' } })),
    );
    await Promise.all(this.#plugins.map((plugin) => plugin.end()));
    await Promise.all(this.#following);
  }

  #plugin(folder: Exclude<ReturnType<typeof readFolder>, string>): Plugin {
    const { settings, stateDir, say } = this.#deps;
    return new Plugin({
      folder,
      stateDir,
      limits: settings.limits,
      entryOf: (id) => settings.entries.get(id) ?? null,
      onLine: say.line,
      onDied: say.died,
      onStarted: (plugin, restart) => {
        if (this.#url !== null) this.#tellStart(plugin, restart);
      },
    });
  }

  /** Of two with one id the first of the list is the one. */
  async #refuseTwins(): Promise<void> {
    const ids = new Set<string>();
    for (const plugin of this.#plugins) {
      if (plugin.isRunning && ids.has(plugin.id)) await plugin.refuse(`there is another plugin "${plugin.id}"`);
      ids.add(plugin.id);
    }
  }

  #tellStart(plugin: Plugin, restart: number): void {
    if (this.#url === null || !plugin.hooks.includes(LIFE_HOOKS[0])) return;
    const event = { url: this.#url, ledgerId: this.#deps.ledgerId, restart };
    void plugin.perform({ kind: 'start', event }).then((end) => {
      if (end.end === 'done') return;
      this.#deps.say.line(plugin.id, 'error', `${LIFE_HOOKS[0]}: ${end.text}`);
    });
  }

  /** A plugin that is new here begins with what comes now; what was before is a replay. */
  async #addFollowers(): Promise<void> {
    const { store, log, clock } = this.#deps;
    const observing = this.#observing();
    if (observing.length === 0) return;
    const seq = await log.lastSeq();
    const now = clock.now();
    await Promise.all(observing.map(({ id }) => store.write('addFollowers', { ...followerOf(id), seq, now })));
  }

  #running(): Plugin[] {
    return this.#plugins.filter(({ status }) => status === 'running' || status === 'restarting');
  }

  #observing(): Plugin[] {
    return this.#running().filter(({ hooks }) => typesFor(hooks).length > 0);
  }

  #followingDeps(): Parameters<typeof follow>[1] {
    const { store, log, clock, holder, settings, say, retryMs } = this.#deps;
    return {
      store,
      log,
      clock,
      holder,
      aside: this.aside,
      limits: settings.limits,
      onSetAside: say.setAside,
      onFailure: say.bug,
      ...(retryMs === undefined ? {} : { retryMs }),
    };
  }
}

async function inTime(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
