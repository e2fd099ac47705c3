/** What people ask about plugins, and what they order: listed, shown, delivered to again. Decides nothing about loading. */
import type { PluginDetail, PluginInfo, PluginReplay, PluginReplayed } from '@weighbridge/protocol';
import { GatewayError } from '../domain/errors.ts';
import type { EventLog } from '../events/log.ts';
import { replayStart } from '../events/replay-start.ts';
import type { Store } from '../store/store.ts';
import { followerOf } from './following.ts';
import { typesFor } from './hooks.ts';
import type { Plugin } from './plugin.ts';
import type { BrokenFolder, Plugins } from './plugins.ts';

const ASIDE_SHOWN = 100;
/** Counted no further. */
const BEHIND_MAX = 10_000;

export interface PluginRegisterDeps {
  store: Store;
  events: EventLog;
  plugins: Plugins;
}

export class PluginRegister {
  readonly #deps: PluginRegisterDeps;

  constructor(deps: PluginRegisterDeps) {
    this.#deps = deps;
  }

  async list(): Promise<PluginInfo[]> {
    const { all, broken } = this.#deps.plugins;
    return [...(await Promise.all(all.map((plugin) => this.#info(plugin)))), ...broken.map(brokenInfo)];
  }

  async find(id: string): Promise<PluginDetail> {
    const aside = await this.#deps.plugins.aside.list(id, ASIDE_SHOWN);
    return {
      ...(await this.#info(this.#named(id))),
      eventsAside: aside.map(({ setAsideAt, waiting, ...event }) => ({
        ...event,
        setAsideAt: new Date(setAsideAt).toISOString(),
        waiting: waiting === 1,
      })),
    };
  }

  async replay(id: string, asked: PluginReplay): Promise<PluginReplayed> {
    this.#named(id);
    const fromSeq = await this.#fromSeq(asked);
    const replayed = await this.#deps.plugins.replay(id, fromSeq);
    if (replayed === null) throw new GatewayError('not_found', `The plugin '${id}' follows no events.`);
    return { object: 'plugin_replay', id, fromSeq, setAside: replayed.setAside };
  }

  #named(id: string): Plugin {
    const found = this.#deps.plugins.all.find((plugin) => plugin.id === id);
    if (found === undefined) throw new GatewayError('not_found', `There is no plugin '${id}' here.`);
    return found;
  }

  /** Null: what is set aside. */
  async #fromSeq(asked: PluginReplay): Promise<number | null> {
    const { fromSeq, since, setAside, ...rest } = asked;
    const given = [fromSeq, since, setAside].filter((one) => one !== undefined);
    if (given.length !== 1 || Object.keys(rest).length > 0) {
      throw new GatewayError('invalid_request', 'A replay needs one of `fromSeq`, `since` and `setAside`.');
    }
    if (setAside === true) return null;
    if (setAside !== undefined)
      throw new GatewayError('invalid_request', '`setAside` must be true.', { param: 'setAside' });
    return replayStart(this.#deps.store, this.#deps.events, { fromSeq, since });
  }

  async #info(plugin: Plugin): Promise<PluginInfo> {
    const { id, folder, status, reason, hooks, isOpenClaw, intercepts, intercept, restarts, delivered } = plugin;
    const cursor = await this.#cursor(id);
    return {
      id,
      path: folder.path,
      status,
      reason,
      hooks: [...hooks],
      openclaw: isOpenClaw,
      intercept: intercepts ? intercept : null,
      restarts,
      delivered,
      faults: { ...plugin.faults },
      cursor,
      behind: cursor === null ? 0 : await this.#behind(cursor, typesFor(hooks)),
      setAside: await this.#deps.plugins.aside.count(id),
    };
  }

  async #cursor(id: string): Promise<number | null> {
    const { tenantId, name } = followerOf(id);
    const query = this.#deps.store.queries
      .selectFrom('followers')
      .select('seq')
      .where('tenantId', '=', tenantId)
      .where('name', '=', name)
      .compile();
    const [row] = await this.#deps.store.read<{ seq: number }>(query);
    return row === undefined ? null : Number(row.seq);
  }

  async #behind(cursor: number, types: readonly string[]): Promise<number> {
    if (types.length === 0) return 0;
    const { queries } = this.#deps.store;
    const newer = queries.selectFrom('events').select('seq').where('seq', '>', cursor).where('type', 'in', types);
    const query = queries
      .selectFrom(newer.limit(BEHIND_MAX).as('newer'))
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .compile();
    const [row] = await this.#deps.store.read<{ n: number }>(query);
    return Number(row?.n ?? 0);
  }
}

function brokenInfo({ path, reason }: BrokenFolder): PluginInfo {
  const nothing = { hooks: [], openclaw: false, intercept: null, restarts: 0, delivered: 0, faults: {} };
  return { id: path, path, status: 'failed', reason, ...nothing, cursor: null, behind: 0, setAside: 0 };
}
