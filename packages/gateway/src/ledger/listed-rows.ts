/**
 * How the rows of a page are read: the columns that a record is made of, and no other. On PostgreSQL every value of a row is
 * a text of its own to be cut from the answer, so the whole numbers of a row come as one: half of a page's time.
 */
import { type CompiledQuery, type SelectQueryBuilder, sql } from 'kysely';
import type { EntriesTable, Tables } from '../store/schema.ts';
import type { Row, Store } from '../store/store.ts';
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

/** Corrections are not listed, so what only they have is not read. */
export type ListedRow = Pick<EntryRow, (typeof TEXTS)[number] | (typeof NUMBERS)[number] | 'costNanoUsd'>;

const COST = sql`cast(${sql.ref('costNanoUsd')} as text)`;

/** Selects what `readListed` reads. */
export function selectListed(store: Store): SelectQueryBuilder<Tables, 'entries', unknown> {
  const from = store.queries.selectFrom('entries');
  if (store.engine === 'sqlite') return from.select([...TEXTS, ...NUMBERS]).select(COST.as('costNanoUsd'));
  const numbers = [...NUMBERS.map((column) => sql`${sql.ref(column)}`), sql.ref('costNanoUsd')];
  const packed = sql`concat(${sql.join(numbers, sql`, ',', `)})`;
  return from.select(TEXTS).select(packed.as('numbers'));
}

export async function readListed(store: Store, query: CompiledQuery): Promise<ListedRow[]> {
  const rows = await store.read<Row>(query);
  if (store.engine === 'postgres') for (const row of rows) unpack(row);
  return rows as unknown as ListedRow[];
}

/** Nothing between two commas is null. */
function unpack(row: Row): void {
  const values = (row.numbers as string).split(',');
  for (let index = 0; index < NUMBERS.length; index++)
    row[NUMBERS[index]!] = values[index] === '' ? null : Number(values[index]);
  row.costNanoUsd = values[NUMBERS.length] || null;
}
