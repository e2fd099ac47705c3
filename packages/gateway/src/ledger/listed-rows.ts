/**
 * How the rows of a page are read: the columns that a record is made of, and no other, packed as far as that is faster.
 */
import { type CompiledQuery, type SelectQueryBuilder, sql } from 'kysely';
import type { EntriesTable, Tables } from '../store/schema.ts';
import type { Row, Store, Value } from '../store/store.ts';
import { packed, unpacked } from './packed.ts';
import type { EntryRow } from './record.ts';

const TEXTS = [
  'tenantId',
  'entryId',
  'dispatchId',
  'runId',
  'kind',
  'keyId',
  'agentId',
  'sessionKey',
  'sessionId',
  'endUserId',
  'endUserSource',
  'tags',
  'metadata',
  'provider',
  'model',
  'requestedModel',
  'api',
  'source',
  'traceparent',
  'outcome',
  'errorKind',
  'stopReason',
  'serviceTier',
  'usageSource',
  'serverTools',
  'priceId',
  'priceSource',
  'providerRequestId',
] as const satisfies readonly (keyof EntriesTable)[];

const NUMBERS = [
  'attempt',
  'stream',
  'startedAt',
  'settledAt',
  'httpStatus',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'latencyMs',
  'timeToFirstTokenMs',
  'endedAt',
] as const satisfies readonly (keyof EntriesTable)[];

const COST = 'costNanoUsd';
const COLUMNS = [...TEXTS, COST, ...NUMBERS] as const;

/** Corrections are not listed, so what only they have is not read. */
export type ListedRow = Pick<EntryRow, (typeof COLUMNS)[number]>;

/** A copy of it is filled faster than an object that grows. */
const EMPTY = Object.fromEntries(COLUMNS.map((column) => [column, null])) as unknown as ListedRow;

/** Selects what `readListed` reads. */
export function selectListed({ engine, queries }: Store): SelectQueryBuilder<Tables, 'entries', unknown> {
  const entries = queries.selectFrom('entries');
  const numbers = NUMBERS.map((column) => sql.ref(column));
  const cost = sql`cast(${sql.ref(COST)} as text)`;
  if (engine === 'postgres') return entries.select([...TEXTS, cost.as(COST), packed(engine, numbers).as('packed')]);
  // Texts too: one is cloned and read much faster than its fifty values.
  return entries.select(packed(engine, [...TEXTS.map((column) => sql.ref(column)), cost, ...numbers]).as('packed'));
}

export async function readListed(store: Store, query: CompiledQuery): Promise<ListedRow[]> {
  const rows = await store.read<Row>(query);
  return rows.map((row) =>
    listed(store.engine === 'postgres' ? valuesOnPostgres(row) : JSON.parse(row.packed as string)),
  );
}

function valuesOnPostgres(row: Row): Value[] {
  return [...TEXTS.map((column) => row[column]!), row[COST]!, ...unpacked(row.packed as string)];
}

/** `values`: in the order of COLUMNS. */
function listed(values: readonly Value[]): ListedRow {
  const row: Row = { ...EMPTY };
  for (let index = 0; index < COLUMNS.length; index++) row[COLUMNS[index]!] = values[index]!;
  return row as unknown as ListedRow;
}
