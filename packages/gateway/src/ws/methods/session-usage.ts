/**
 * `sessions.usage`: what sessions used in a period, from the ledger's sums: the same rows as `GET /api/v1/usage` grouped by
 * session. Of OpenClaw's many breakdowns those that the ledger has; nothing is counted from transcripts.
 */
import type { UsageAnswer, UsageGroup, UsageRow } from '@weighbridge/protocol';
import type { Caller } from '../../domain/caller.ts';
import type { GatewayConfig } from '../../domain/config.ts';
import { usageAnswer } from '../../ledger/usage-answer.ts';
import type { Store } from '../../store/store.ts';
import { sessionKeyOf } from '../session-keys.ts';
import type { SessionRows } from '../session-rows.ts';
import { type Method, method } from './method.ts';
import { type Period, type PeriodParams, periodOf, wireSums } from './usage.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000;

export interface SessionUsageDeps {
  store: Store;
  config: () => Pick<GatewayConfig, 'agents'>;
  rows: SessionRows;
  now: () => number;
}

interface SessionsUsageParams extends PeriodParams {
  key?: string;
  agentId?: string;
  limit?: number;
}

type Ask = (groupBy: readonly UsageGroup[], limit?: number) => Promise<UsageAnswer>;

export function sessionUsageMethods(deps: SessionUsageDeps): Method[] {
  return [
    method<SessionsUsageParams>({
      name: 'sessions.usage',
      scope: 'operator.read',
      keyScopes: ['read'],
      schema: 'SessionsUsageParams',
      run: async (params, { caller }) => {
        const period = periodOf(params, deps.now());
        const ask = asking(params, caller, period, deps);
        const limit = Math.min(params.limit ?? LIMIT_DEFAULT, LIMIT_MAX);
        const [bySession, byModel, byAgent] = await Promise.all([
          ask(['session', 'agent'], limit),
          ask(['provider', 'model']),
          ask(['agent']),
        ]);
        return {
          updatedAt: deps.now(),
          startDate: period.dates[0],
          endDate: period.dates.at(-1),
          sessions: await Promise.all(bySession.rows.map((row) => sessionOf(row, caller, deps))),
          totals: wireSums(bySession.totals),
          aggregates: {
            sessionCount: bySession.rows.length + bySession.rowsOmitted,
            byModel: byModel.rows.map((row) => ({
              provider: row.group.provider ?? null,
              model: row.group.model ?? null,
              count: row.requests,
              totals: wireSums(row),
            })),
            byAgent: byAgent.rows.map((row) => ({ agentId: row.group.agent ?? null, totals: wireSums(row) })),
          },
          cacheStatus: { status: 'fresh', cachedFiles: 0, pendingFiles: 0, staleFiles: 0, refreshedAt: deps.now() },
        };
      },
    }),
  ];
}

function asking(
  { key, agentId }: SessionsUsageParams,
  caller: Caller,
  { fromMs, toMs, tz }: Period,
  { store, config }: SessionUsageDeps,
): Ask {
  const owner = caller.terms?.agentId ?? agentId?.toLowerCase();
  const sessionKey = key === undefined ? undefined : sessionKeyOf({ key, agentId }, caller, config().agents);
  const filters = {
    ...(owner === undefined ? {} : { agentId: owner }),
    ...(sessionKey === undefined ? {} : { sessionKey }),
  };
  return (groupBy, limit = LIMIT_MAX) =>
    usageAnswer(store, { tenantId: caller.tenantId, fromMs, toMs, tz, groupBy, limit, latency: false, filters });
}

/** With what is remembered of it, where it still is. */
async function sessionOf(row: UsageRow, { tenantId }: Caller, { rows }: SessionUsageDeps): Promise<object> {
  const { session: key = null, agent = null } = row.group;
  const known = key === null ? null : await rows.of(tenantId, key);
  return {
    key: key ?? 'none',
    agentId: agent,
    scope: 'instance',
    updatedAt: Date.parse(row.lastSettledAt),
    ...(known === null
      ? {}
      : {
          label: known.displayName,
          sessionId: known.sessionId,
          modelProvider: known.modelProvider ?? null,
          model: known.model ?? null,
        }),
    usage: { ...wireSums(row), lastActivity: Date.parse(row.lastSettledAt), dispatches: row.requests },
  };
}
