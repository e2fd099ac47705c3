/** The asking API over the ledger: dispatches, usage, runs in flight. Decodes questions, asks, answers; sums nothing. */
import { type TimeBucket, USAGE_GROUPS, type UsageGroup } from '@weighbridge/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { type DispatchFilters, findDispatch, listDispatches } from '../ledger/questions.ts';
import { reconcile } from '../ledger/reconcile.ts';
import { usageAnswer } from '../ledger/usage-answer.ts';
import { type Excluded, GROUP_COLUMNS } from '../ledger/usage-question.ts';
import type { Clock } from '../lib/clock.ts';
import { momentMs } from '../lib/moment.ts';
import { isZone } from '../lib/zones.ts';
import type { Store } from '../store/store.ts';
import { callerOf } from './policy.ts';
import { DISPATCH, DISPATCHES, RECONCILIATION, RUNS, STOP_RUN, USAGE } from './schemas.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export interface AskingDeps {
  store: Store;
  runs: { inFlight(): readonly { tenantId: string; runId: string }[]; stop(runId: string): boolean };
  clock: Clock;
}

interface UsageQuery extends FilterQuery {
  from?: string;
  to?: string;
  groupBy?: string;
  bucket?: TimeBucket;
  tz?: string;
  latency?: boolean;
  limit: number;
  exclude?: string[];
}

export interface FilterQuery {
  tenant?: string;
  model?: string;
  provider?: string;
  agent?: string;
  session?: string;
  endUser?: string;
  source?: string;
  outcome?: string;
  run?: string;
}

export function asking(app: FastifyInstance, { store, runs, clock }: AskingDeps): void {
  const config = { scope: 'read' as const };

  app.get<{ Querystring: FilterQuery & { limit: number; cursor?: string; before?: string } }>(
    '/api/v1/dispatches',
    { config, schema: DISPATCHES },
    (request) => {
      const { limit, cursor = null, before, tenant, ...filters } = request.query;
      return listDispatches(store, {
        tenantId: tenantAsked(request, tenant),
        limit,
        cursor,
        beforeMs: before === undefined ? null : timeOf(before, 'before'),
        filters: filtersOf(filters),
      });
    },
  );

  app.get<{ Params: { id: string } }>('/api/v1/dispatches/:id', { config, schema: DISPATCH }, async (request) => {
    const { id } = request.params;
    const found = await findDispatch(store, tenantAsked(request), id);
    if (!found) throw new GatewayError('not_found', `There is no dispatch ${id}.`);
    return found;
  });

  app.get<{ Querystring: UsageQuery }>('/api/v1/usage', { config, schema: USAGE }, (request) => {
    const { from, to, groupBy, bucket = null, tz = 'UTC', latency, limit, tenant, exclude, ...filters } = request.query;
    if (!isZone(tz)) {
      throw new GatewayError('invalid_request', '`tz` is no time zone known here; write it like Europe/Berlin.', {
        param: 'tz',
      });
    }
    const { fromMs, toMs } = periodOf(from, to, clock.now());
    return usageAnswer(store, {
      tenantId: tenantAsked(request, tenant),
      fromMs,
      toMs,
      groupBy: groupsOf(groupBy),
      bucket,
      tz,
      ...(latency === undefined ? {} : { latency }),
      limit,
      filters: filtersOf(filters),
      ...(exclude === undefined ? {} : { excluded: excludedOf(exclude) }),
    });
  });

  app.get<{ Querystring: Pick<UsageQuery, 'from' | 'to' | 'groupBy'> & FilterQuery }>(
    '/api/v1/usage/reconciliation',
    { config, schema: RECONCILIATION },
    (request) => {
      const { from, to, groupBy, tenant, ...filters } = request.query;
      const { fromMs, toMs } = periodOf(from, to, clock.now());
      const tenantId = tenantAsked(request, tenant);
      return reconcile(store, { tenantId, fromMs, toMs, groupBy: groupsOf(groupBy), filters: filtersOf(filters) });
    },
  );

  app.get('/api/v1/runs', { config, schema: RUNS }, (request) => ({
    object: 'list',
    data: runsSeen(runs, tenantAsked(request)),
    hasMore: false,
    nextCursor: null,
  }));

  // It ends somebody's call: a credential that may only call, or only read, must not.
  app.post<{ Params: { id: string } }>(
    '/api/v1/runs/:id/stop',
    { config: { scope: 'admin' }, schema: STOP_RUN },
    (request) => {
      const { id } = request.params;
      const isSeen = runsSeen(runs, tenantAsked(request)).some((run) => run.runId === id);
      if (!isSeen || !runs.stop(id)) throw new GatewayError('not_found', `There is no run ${id} in flight here.`);
      return { object: 'run', runId: id, stopped: true };
    },
  );
}

/** Whose things are asked about; null: everybody's. The operator may name a tenant, a key names its own or none. */
export function tenantAsked(request: FastifyRequest, tenant?: string): string | null {
  const caller = callerOf(request);
  if (isOperator(caller)) return tenant ?? null;
  if (tenant === undefined || tenant === caller.tenantId) return caller.tenantId;
  throw new GatewayError('forbidden', 'This key sees its own tenant only; leave `tenant` out.', { param: 'tenant' });
}

function runsSeen<Run extends { tenantId: string }>(
  runs: { inFlight(): readonly Run[] },
  tenantId: string | null,
): Run[] {
  return runs.inFlight().filter((run) => tenantId === null || run.tenantId === tenantId);
}

export function filtersOf({ agent, session, endUser, run, ...same }: Omit<FilterQuery, 'tenant'>): DispatchFilters {
  return {
    ...same,
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(session === undefined ? {} : { sessionKey: session }),
    ...(endUser === undefined ? {} : { endUserId: endUser }),
    ...(run === undefined ? {} : { runId: run }),
  };
}

const EXCLUDABLE = { ...GROUP_COLUMNS, run: 'runId' } as const;

/** `model:gpt-5`, each as a parameter of its own: a value may hold any character. */
function excludedOf(terms: readonly string[]): Excluded {
  const excluded: { -readonly [Column in keyof Excluded]: string[] } = {};
  for (const term of terms) {
    const colon = term.indexOf(':');
    const column = EXCLUDABLE[term.slice(0, colon) as keyof typeof EXCLUDABLE];
    if (colon < 0 || column === undefined) {
      const names = Object.keys(EXCLUDABLE).join(', ');
      throw new GatewayError('invalid_request', `\`exclude\` is like model:gpt-5, with one of ${names}.`, {
        param: 'exclude',
      });
    }
    excluded[column] = [...(excluded[column] ?? []), term.slice(colon + 1)];
  }
  return excluded;
}

function periodOf(from: string | undefined, to: string | undefined, now: number): { fromMs: number; toMs: number } {
  const toMs = to === undefined ? now : timeOf(to, 'to');
  const fromMs = from === undefined ? now - DAY_MS : timeOf(from, 'from');
  if (fromMs > toMs) throw new GatewayError('invalid_request', '`from` lies after `to`.', { param: 'from' });
  return { fromMs, toMs };
}

export function timeOf(value: string, param: string): number {
  const ms = momentMs(value);
  if (ms !== null) return ms;
  throw new GatewayError(
    'invalid_request',
    `\`${param}\` must be ISO 8601 (2026-11-20T12:00:00Z) or milliseconds since 1970.`,
    { param },
  );
}

function groupsOf(list = ''): UsageGroup[] {
  const names = list.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !(USAGE_GROUPS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new GatewayError(
      'invalid_request',
      `\`groupBy\` knows no \`${unknown}\`; it takes ${USAGE_GROUPS.join(', ')}.`,
      { param: 'groupBy' },
    );
  }
  return [...new Set(names)] as UsageGroup[];
}
