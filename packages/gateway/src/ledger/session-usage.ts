/**
 * What sessions and runs used, added up from settled entries and their corrections each time somebody asks: nothing is
 * kept beside the ledger that could come to say something else. A session is known by its key and its id, so that one
 * that was deleted and made again begins anew.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Row, Store } from '../store/store.ts';
import { PRICED_LATER } from './rollup.ts';
import { entriesBy } from './usage-sums.ts';

/** The session's name in the ledger. Entries that began before `usageFrom` are not counted (a reset). */
export interface UsedSession {
  sessionKey: string;
  sessionId: string;
  usageFrom: number;
}

export interface Used {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h: number;
  reasoning: number | null;
  total: number;
  dispatches: number;
  costNanoUsd: string | null;
  unpriced: number;
  notReported: number;
}

const BUCKETS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;
/** Names in one statement. */
const AT_ONCE = 500;

/** By session id. */
export async function usageOfSessions(
  store: Store,
  tenantId: string,
  sessions: readonly UsedSession[],
): Promise<Map<string, Used>> {
  const found = new Map<string, Used>();
  for (let at = 0; at < sessions.length; at += AT_ONCE) {
    const some = sessions.slice(at, at + AT_ONCE);
    const keys = sql.join(some.map(({ sessionKey }) => sql`${sessionKey}`));
    const ids = sql.join(some.map(({ sessionId }) => sql`${sessionId}`));
    const where = sql`${sql.ref('sessionKey')} in (${keys}) and ${sql.ref('sessionId')} in (${ids}) and ${sinceReset(some)}`;
    for (const row of await summed(store, tenantId, 'sessionId', 'entries_of_session', where)) {
      found.set(String(row.name), usedOf(row));
    }
  }
  return found;
}

/** What a run used, and who answered it at last. */
export interface UsedByRun extends Used {
  provider: string;
  model: string;
  api: string;
  providerRequestId: string | null;
}

/** By run id. */
export async function usageOfRuns(
  store: Store,
  tenantId: string,
  runIds: readonly string[],
): Promise<Map<string, UsedByRun>> {
  const found = new Map<string, UsedByRun>();
  for (let at = 0; at < runIds.length; at += AT_ONCE) {
    const asked = runIds.slice(at, at + AT_ONCE);
    const some = sql.join(asked.map((runId) => sql`${runId}`));
    const where = sql`${sql.ref('runId')} in (${some})`;
    const [sums, answerers] = await Promise.all([
      summed(store, tenantId, 'runId', 'entries_of_run', where),
      answerersOf(store, tenantId, asked),
    ]);
    for (const row of sums) {
      const answerer = answerers.get(String(row.name));
      if (answerer !== undefined) found.set(String(row.name), { ...usedOf(row), ...answerer });
    }
  }
  return found;
}

type Answerer = Pick<UsedByRun, 'provider' | 'model' | 'api' | 'providerRequestId'>;

/** Of a run's dispatches the last. */
async function answerersOf(store: Store, tenantId: string, runIds: readonly string[]): Promise<Map<string, Answerer>> {
  const own = (column: string) => sql.ref(column);
  const asked = sql.join(runIds.map((runId) => sql`${runId}`));
  const query = sql<
    Answerer & { runId: string }
  >`select ${own('runId')}, provider, model, api, ${own('providerRequestId')}
    from ${entriesBy(store, 'entries_of_run')}
    where ${own('tenantId')} = ${tenantId} and ${own('runId')} in (${asked})
      and kind = 'usage' and ${own('settledAt')} is not null
    order by ${own('entryId')}`;
  const rows = await store.read<Answerer & { runId: string }>(query.compile(store.queries));
  return new Map(rows.map(({ runId, ...answerer }) => [runId, answerer]));
}

function sinceReset(sessions: readonly UsedSession[]): RawBuilder<unknown> {
  const reset = sessions.filter(({ usageFrom }) => usageFrom > 0);
  if (reset.length === 0) return sql`1 = 1`;
  const cases = reset.map(({ sessionId, usageFrom }) => sql`when ${sessionId} then ${sql.lit(Math.trunc(usageFrom))}`);
  return sql`${sql.ref('startedAt')} >= case ${sql.ref('sessionId')} ${sql.join(cases, sql` `)} else 0 end`;
}

function summed(
  store: Store,
  tenantId: string,
  by: 'sessionId' | 'runId',
  index: string,
  where: RawBuilder<unknown>,
): Promise<Row[]> {
  const own = (column: string) => sql.ref(column);
  const isUsage = sql`${own('kind')} = 'usage'`;
  const sums = BUCKETS.map((column) => sql`coalesce(sum(${own(column)}), 0) as ${own(column)}`);
  const query = sql<Row>`select ${own(by)} as name, ${sql.join(sums)},
      sum(${own('reasoning')}) as reasoning,
      count(*) filter (where ${isUsage}) as dispatches,
      cast(sum(${own('costNanoUsd')}) as text) as ${own('costNanoUsd')},
      count(*) filter (where ${own('input')} is not null and ${own('costNanoUsd')} is null)
        - count(*) filter (where ${own('kind')} = 'correction' and ${own('reason')} = ${sql.lit(PRICED_LATER)}) as unpriced,
      count(*) filter (where ${isUsage} and coalesce(${own('usageSource')}, 'none') <> 'reported') as ${own('notReported')}
    from ${entriesBy(store, index)}
    where ${own('tenantId')} = ${tenantId} and ${where} and ${own('settledAt')} is not null
    group by ${own(by)}`;
  return store.read<Row>(query.compile(store.queries));
}

function usedOf(row: Row): Used {
  const counts = Object.fromEntries(BUCKETS.map((column) => [column, Number(row[column])])) as Record<
    (typeof BUCKETS)[number],
    number
  >;
  return {
    ...counts,
    reasoning: row.reasoning === null ? null : Number(row.reasoning),
    total: BUCKETS.reduce((sum, column) => sum + counts[column], 0),
    dispatches: Number(row.dispatches),
    costNanoUsd: row.costNanoUsd === null ? null : String(row.costNanoUsd),
    unpriced: Number(row.unpriced),
    notReported: Number(row.notReported),
  };
}
