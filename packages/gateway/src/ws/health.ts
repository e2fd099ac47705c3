/**
 * What OpenClaw calls health: that this gateway answers, how late its event loop is, which agents there are and which of
 * their sessions were active last. Made for a tenant; asked for with each connection, so it is kept for a moment.
 */
import type { GatewayConfig } from '../domain/config.ts';

/** For how long one answer serves. */
const KEPT_MS = 1_000;
const KEPT_MAX = 200;
const RECENT = 5;
const NOTHING: RecentSessions = { total: 0, recent: [] };
const NO_HEARTBEAT = { enabled: false, every: '0m', everyMs: null, prompt: '', target: 'none', ackMaxChars: 0 };

export interface RecentSessions {
  total: number;
  recent: { key: string; agentId: string | null; updatedAt: number }[];
}

export interface HealthDeps {
  config: () => Pick<GatewayConfig, 'agents'>;
  now: () => number;
  pressure: { readonly view: { shedding: boolean; eventLoopLagMs: number } } | null;
  /** Those that changed last. */
  recentSessions(of: { tenantId: string; agentId: string | null }, limit: number): Promise<RecentSessions>;
  plugins(): { loaded: string[] };
}

/** Whose sessions it may name. */
export interface HealthView {
  tenantId: string;
  /** Null: of all agents. */
  agentId: string | null;
  /** May not read: no session is named. */
  isBlind: boolean;
}

export interface HealthSnapshot {
  ok: true;
  ts: number;
  durationMs: number;
  [field: string]: unknown;
}

export class Health {
  readonly #deps: HealthDeps;
  readonly #kept = new Map<string, { at: number; snapshot: Promise<HealthSnapshot> }>();
  /** Rises with each snapshot that was made. */
  version = 0;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
  }

  of(view: HealthView): Promise<HealthSnapshot> {
    const now = performance.now();
    const name = JSON.stringify(view);
    const kept = this.#kept.get(name);
    if (kept !== undefined && now - kept.at < KEPT_MS) return kept.snapshot;
    const snapshot = this.#make(view);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(name, { at: now, snapshot });
    snapshot.catch(() => this.#kept.delete(name));
    return snapshot;
  }

  eventLoop(): Record<string, unknown> {
    const { eventLoopLagMs = 0, shedding = false } = this.#deps.pressure?.view ?? {};
    const { utilization } = performance.eventLoopUtilization();
    return {
      degraded: shedding,
      degradedSinceMs: null,
      reasons: shedding ? ['event_loop_delay'] : [],
      intervalMs: KEPT_MS,
      delayP99Ms: eventLoopLagMs,
      delayMaxMs: eventLoopLagMs,
      utilization: Math.round(utilization * 1000) / 1000,
      cpuCoreRatio: Math.round(utilization * 1000) / 1000,
    };
  }

  async #make({ tenantId, agentId: only, isBlind }: HealthView): Promise<HealthSnapshot> {
    const { config, now, recentSessions, plugins } = this.#deps;
    const begun = performance.now();
    const { total, recent } = isBlind ? NOTHING : await recentSessions({ tenantId, agentId: only }, RECENT);
    const ts = now();
    const shown = recent.map(({ key, agentId, updatedAt }) => ({ key, agentId, updatedAt, age: ts - updatedAt }));
    const listed = (rows: typeof shown): object[] => rows.map(({ agentId: _own, ...row }) => row);
    const { byId, defaultId } = config().agents;
    this.version++;
    return {
      ok: true,
      ts,
      durationMs: Math.round(performance.now() - begun),
      plugins: { loaded: plugins().loaded, errors: [], unavailable: [] },
      configReload: { hotReloadStatus: 'active' },
      channels: {},
      channelOrder: [],
      channelLabels: {},
      heartbeatSeconds: 0,
      defaultAgentId: defaultId ?? [...byId.keys()][0] ?? 'main',
      agents: [...byId.keys()].map((agentId) => {
        const own = shown.filter((row) => row.agentId === agentId);
        const sessions = { path: 'ledger', count: own.length, recent: listed(own) };
        return { agentId, isDefault: agentId === defaultId, heartbeat: NO_HEARTBEAT, sessions };
      }),
      sessions: { path: 'ledger', count: total, recent: listed(shown) },
      eventLoop: this.eventLoop(),
    };
  }
}
