/**
 * How this gateway stands, for whoever connects and asks: health, who is here, `hello-ok`, `status`. Also tells presence and
 * health to those who are connected. Each sees its own tenant's share.
 */
import { randomUUID } from 'node:crypto';
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { Caller } from '../domain/caller.ts';
import { isOperator } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { SessionsQuestion } from '../sessions/reading.ts';
import type { SessionView } from '../sessions/session.ts';
import { mainAgent } from './agents-seen.ts';
import type { Connection } from './connection.ts';
import type { StateVersion } from './frames.ts';
import { Health, type HealthDeps, type HealthView, type RecentSessions } from './health.ts';
import { helloOf } from './hello.ts';
import { type Hub, mayRead } from './hub.ts';
import type { Identity } from './identity.ts';
import { isShown, type PresenceEntry, presenceFor } from './presence.ts';
import { type SessionRows, STORE_PATH } from './session-rows.ts';

/** Presence is told this long after the first of a crowd has come or gone. */
const PRESENCE_MS = 200;
const STATUS_RECENT = 10;

export interface StandingDeps {
  config: () => GatewayConfig;
  clock: Clock;
  runs: { readonly draining: boolean };
  pressure: HealthDeps['pressure'];
  sessions: {
    list(question: SessionsQuestion): Promise<{ sessions: SessionView[]; total: number; hasMore: boolean }>;
  };
  rows: SessionRows;
  hub: Hub;
  report: (error: unknown) => void;
}

export class Standing {
  readonly #deps: StandingDeps;
  readonly #bootId = randomUUID();
  readonly #startedAt: number;
  readonly health: Health;
  #presenceVersion = 1;
  #presenceTimer: NodeJS.Timeout | null = null;

  constructor(deps: StandingDeps) {
    this.#deps = deps;
    const { config, clock, pressure } = deps;
    this.#startedAt = clock.monotonic();
    this.health = new Health({
      config,
      now: () => clock.now(),
      pressure,
      plugins: () => ({ loaded: [] }),
      recentSessions: (of, limit) => this.#recent(of, limit),
    });
  }

  async hello({ connId, identity }: Connection, methods: readonly string[]): Promise<unknown> {
    const { config, runs, clock } = this.#deps;
    return helloOf({
      version: WEIGHBRIDGE_VERSION,
      bootId: this.#bootId,
      connId,
      methods,
      identity,
      presence: this.presence(identity.caller),
      health: await this.health.of(viewOf(identity)),
      stateVersion: this.#stateVersion(),
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
      isDraining: runs.draining,
      config: config(),
    });
  }

  presence(caller: Caller): PresenceEntry[] {
    const own = { version: WEIGHBRIDGE_VERSION, bootId: this.#bootId, now: this.#deps.clock.now() };
    return presenceFor(caller, this.#deps.hub.all(), own);
  }

  async status(caller: Caller): Promise<Record<string, unknown>> {
    const { config, rows, clock } = this.#deps;
    const { agents } = config();
    const bound = caller.terms?.agentId ?? null;
    const which = { tenantId: caller.tenantId, limit: STATUS_RECENT, ...(bound === null ? {} : { agentId: bound }) };
    const { sessions, total } = await this.#deps.sessions.list(which);
    const now = clock.now();
    const recent = sessions.map((view) => statusRow(rows.row(view), now));
    const { modelProvider: _provider, ...defaults } = rows.defaults();
    return {
      heartbeat: { defaultAgentId: mainAgent(agents), agents: [] },
      channelSummary: [],
      queuedSystemEvents: [],
      degradedSecretOwners: [],
      degradedPlugins: [],
      tasks: NO_TASKS,
      taskAudit: { total: 0, warnings: 0, errors: 0, byCode: {} },
      sessions: {
        paths: [STORE_PATH],
        count: total,
        defaults: { model: defaults.model ?? null, contextTokens: defaults.contextTokens ?? null },
        recent,
        byAgent: [...agents.byId.keys()]
          .filter((id) => bound === null || id === bound)
          .map((agentId) => {
            const own = recent.filter((row) => row.agentId === agentId);
            return { agentId, path: STORE_PATH, count: own.length, recent: own };
          }),
      },
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
    };
  }

  /** After it has been greeted. */
  async opened(connection: Connection): Promise<void> {
    if (isShown(connection)) this.presenceChanged();
    try {
      const health = await this.health.of(viewOf(connection.identity));
      this.#deps.hub.send(connection, 'health', health, this.#stateVersion());
    } catch (error) {
      this.#deps.report(error);
    }
  }

  presenceChanged(): void {
    this.#presenceVersion++;
    this.#presenceTimer ??= setTimeout(() => {
      this.#presenceTimer = null;
      this.#tellPresence();
    }, PRESENCE_MS).unref();
  }

  close(): void {
    if (this.#presenceTimer !== null) clearTimeout(this.#presenceTimer);
    this.#presenceTimer = null;
  }

  /** Made once for the operator's connections, once for each tenant's. */
  #tellPresence(): void {
    const stateVersion = this.#stateVersion();
    const callers = new Map<string, Caller>();
    for (const { identity } of this.#deps.hub.all()) callers.set(groupOf(identity.caller), identity.caller);
    for (const [group, caller] of callers) {
      const payload = { presence: this.presence(caller) };
      const among = (own: Connection): boolean => mayRead(own) && groupOf(own.identity.caller) === group;
      this.#deps.hub.broadcast('presence', payload, { tenantId: caller.tenantId, among }, { stateVersion });
    }
  }

  #stateVersion(): StateVersion {
    return { presence: this.#presenceVersion, health: this.health.version };
  }

  async #recent(
    { tenantId, agentId }: { tenantId: string; agentId: string | null },
    limit: number,
  ): Promise<RecentSessions> {
    const which = { tenantId, limit, ...(agentId === null ? {} : { agentId }) };
    const { sessions, total } = await this.#deps.sessions.list(which);
    return {
      total,
      recent: sessions.map(({ sessionKey, agentId: owner, updatedAt }) => ({
        key: sessionKey,
        agentId: owner,
        updatedAt,
      })),
    };
  }
}

const NO_TASKS = {
  total: 0,
  active: 0,
  terminal: 0,
  failures: 0,
  byStatus: { queued: 0, running: 0, succeeded: 0, failed: 0, timed_out: 0, cancelled: 0, lost: 0 },
  byRuntime: { subagent: 0, acp: 0, cli: 0, cron: 0 },
};

export function viewOf({ caller, scopes }: Identity): HealthView {
  const isBlind = !(scopes.has('operator.read') || scopes.has('operator.write') || scopes.has('operator.admin'));
  return { tenantId: caller.tenantId, agentId: caller.terms?.agentId ?? null, isBlind };
}

function groupOf(caller: Caller): string {
  return isOperator(caller) ? 'operator' : `tenant ${caller.tenantId}`;
}

function statusRow(row: Record<string, unknown>, now: number): Record<string, unknown> {
  const { agentId, key, kind, sessionId, updatedAt, totalTokens = null, model = null, contextTokens = null } = row;
  const tokens = totalTokens as number | null;
  const room = contextTokens as number | null;
  return {
    ...{ agentId, key, kind, sessionId, updatedAt, age: now - (updatedAt as number), totalTokens: tokens },
    totalTokensFresh: tokens !== null,
    remainingTokens: tokens === null || room === null ? null : Math.max(0, room - tokens),
    percentUsed: tokens === null || room === null ? null : Math.round((tokens / room) * 100),
    ...{ model, configuredModel: model, selectedModel: model, modelSelectionReason: null },
    ...{ runtime: 'weighbridge', contextTokens: room, flags: [`id:${String(sessionId)}`] },
  };
}
