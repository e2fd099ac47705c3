/**
 * Moves a ledger into another, empty database: entries, events, followers' cursors, what plugins failed on, keys, webhooks,
 * sessions and numbers as they are, so that followers and callers go on where they stood; rollups are folded anew. It goes on
 * where it broke off, and is done only when both sides give the same hash over every row. The source must not be served meanwhile.
 */
import { createHash } from 'node:crypto';
import { type Compilable, sql } from 'kysely';
import { GatewayError } from '../domain/errors.ts';
import type { RoomWrites } from '../store/compile.ts';
import type { Tables } from '../store/schema.ts';
import { asked, insertRows, updateRows } from '../store/statement.ts';
import type { Row, Store, Value } from '../store/store.ts';
import { CORRECTION_COLUMNS, INTENT_COLUMNS, SETTLEMENT_COLUMNS } from './columns.ts';
import type { Destination, ImportedLedger, ImportedRows } from './import-scripts.ts';

/** Rows read and written at once. */
const PAGE = 1000;

/** The tables that move, with the key that they are paged by. Instances are needed to recover what was open. */
export const MOVED = {
  entries: {
    columns: [...INTENT_COLUMNS, ...CORRECTION_COLUMNS, 'seq', 'settledAt', ...SETTLEMENT_COLUMNS],
    key: ['tenantId', 'entryId'],
  },
  events: { columns: ['seq', 'tenantId', 'id', 'type', 'at', 'subject', 'payload'], key: ['seq', 'tenantId'] },
  followers: { columns: ['tenantId', 'name', 'seq', 'updatedAt'], key: ['tenantId', 'name'] },
  instances: { columns: ['instanceId', 'pid', 'startedAt', 'endedAt'], key: ['instanceId'] },
  pluginEventsAside: {
    columns: ['tenantId', 'pluginId', 'seq', 'eventId', 'type', 'failures', 'reason', 'setAsideAt', 'waiting'],
    key: ['tenantId', 'pluginId', 'seq'],
  },
  keys: {
    columns: [
      'tenantId',
      'keyId',
      'name',
      'hash',
      'scopes',
      'agentId',
      'forcedHeaders',
      'createdAt',
      'createdBy',
      'expiresAt',
      'revokedAt',
    ],
    key: ['tenantId', 'keyId'],
  },
  reports: { columns: ['tenantId', 'reportId', 'dispatchId', 'fingerprint'], key: ['tenantId', 'reportId'] },
  webhooks: {
    columns: [
      'tenantId',
      'endpointId',
      'definition',
      'secrets',
      'createdAt',
      'createdBy',
      'disabledAt',
      'disabledReason',
      'delivered',
      'failed',
      'dead',
      'lastDeliveredAt',
      'lastFailedAt',
      'lastFailure',
    ],
    key: ['tenantId', 'endpointId'],
  },
  deliveries: {
    columns: [
      'tenantId',
      'endpointId',
      'deliveryId',
      'seqs',
      'firstSeq',
      'state',
      'attempts',
      'nextAt',
      'lastAt',
      'lastStatus',
      'lastFailure',
    ],
    key: ['tenantId', 'endpointId', 'deliveryId'],
  },
  sessions: {
    columns: [
      'tenantId',
      'sessionKey',
      'sessionId',
      'agentId',
      'label',
      'overrides',
      'outboundHeaders',
      'createdAt',
      'updatedAt',
      'lastRunId',
      'lastRunAt',
      'lastOutcome',
      'messages',
      'resetSeq',
      'usageFrom',
      'revision',
    ],
    key: ['tenantId', 'sessionKey'],
  },
  transcripts: {
    columns: ['tenantId', 'sessionId', 'seq', 'messageId', 'role', 'at', 'runId', 'body'],
    key: ['tenantId', 'sessionId', 'seq'],
  },
} as const satisfies Partial<{
  [T in keyof Tables]: { columns: readonly (keyof Tables[T])[]; key: readonly (keyof Tables[T])[] };
}>;
type Moved = keyof typeof MOVED;

export const IMPORT_WRITES: RoomWrites = {
  statements: {
    'import.readLedger': asked((db) => db.selectFrom('ledger').select(['ledgerId', 'importing'])),
    'import.ledger': insertRows('ledger', ['one', 'ledgerId', 'lastSeq', 'lastSettledAt', 'importing']),
    'import.moveCounters': updateRows('ledger', ['lastSeq', 'lastSettledAt'], ['one']),
    'import.end': updateRows('ledger', ['importing'], ['one']),
    'import.entries': insertRows('entries', MOVED.entries.columns, { keep: MOVED.entries.key }),
    'import.events': insertRows('events', MOVED.events.columns, { keep: MOVED.events.key }),
    'import.followers': insertRows('followers', MOVED.followers.columns, { keep: MOVED.followers.key }),
    'import.instances': insertRows('instances', MOVED.instances.columns, { keep: MOVED.instances.key }),
    'import.pluginEventsAside': insertRows('pluginEventsAside', MOVED.pluginEventsAside.columns, {
      keep: MOVED.pluginEventsAside.key,
    }),
    // A key that was revoked after a break of the import must not be taken over as it was before.
    'import.keys': insertRows('keys', MOVED.keys.columns, {
      key: MOVED.keys.key,
      replace: ['revokedAt'],
    }),
    'import.reports': insertRows('reports', MOVED.reports.columns, { keep: MOVED.reports.key }),
    'import.webhooks': insertRows('webhooks', MOVED.webhooks.columns, { keep: MOVED.webhooks.key }),
    'import.deliveries': insertRows('deliveries', MOVED.deliveries.columns, { keep: MOVED.deliveries.key }),
    // The source may have gone on since the break.
    'import.sessions': insertRows('sessions', MOVED.sessions.columns, {
      key: MOVED.sessions.key,
      replace: MOVED.sessions.columns.slice(2),
    }),
    'import.transcripts': insertRows('transcripts', MOVED.transcripts.columns, { keep: MOVED.transcripts.key }),
  },
  scripts: new URL('./import-scripts.ts', import.meta.url),
};

export interface ImportProgress {
  step: 'copying' | 'summing' | 'comparing';
  done: number;
  total: number;
}

export interface Imported {
  ledgerId: string;
  lastSeq: number;
  /** Rows of each table that are there now, and the hash over all of them that both sides gave. */
  rows: Record<Moved, number>;
  hash: string;
  /** Rows that an earlier, broken import had already brought. */
  found: number;
}

export async function importLedger(
  from: Store,
  to: Store,
  onProgress: (progress: ImportProgress) => void,
): Promise<Imported> {
  const source = await ledgerOf(from);
  const destination = await to.write<Destination>('beginImport', source);
  if (typeof destination === 'object') {
    throw new GatewayError(
      'invalid_request',
      `The database holds the ledger ${destination.ledgerId} already. Import needs an empty one.`,
    );
  }
  const tables = Object.keys(MOVED) as Moved[];
  const total = await sumOf(tables, (table) => countOf(from, table));
  const found = await sumOf(tables, (table) => countOf(to, table));
  let done = found;
  for (const table of tables) {
    // Of what was copied before a break only keys (revoked) and sessions can have changed since.
    const after = table === 'keys' || table === 'sessions' ? null : await lastKeyOf(to, table);
    for await (const rows of pages(from, table, after)) {
      await to.write('importRows', {
        statement: `import.${table}`,
        rows: rows.map((row) => valuesOf(table, row)),
      } satisfies ImportedRows);
      done += rows.length;
      onProgress({ step: 'copying', done: Math.min(done, total), total });
    }
  }
  onProgress({ step: 'summing', done: 0, total });
  await to.write('rebuildRollups', null);
  const hash = await compared(from, to, tables, total, onProgress);
  await to.write('endImport', null);
  const rows = Object.fromEntries(
    await Promise.all(tables.map(async (table) => [table, await countOf(to, table)] as const)),
  ) as Record<Moved, number>;
  return { ledgerId: source.ledgerId, lastSeq: source.lastSeq, rows, hash, found };
}

async function ledgerOf(store: Store): Promise<ImportedLedger> {
  const columns = ['ledgerId', 'lastSeq', 'lastSettledAt'] as const;
  const [row] = await store.read<ImportedLedger>(store.queries.selectFrom('ledger').select(columns).compile());
  if (row) return row;
  throw new GatewayError('invalid_request', 'The file holds no ledger: nothing was ever recorded there.');
}

/** Both sides are read from beginning to end, and must give the same bytes. */
async function compared(
  from: Store,
  to: Store,
  tables: readonly Moved[],
  total: number,
  onProgress: (progress: ImportProgress) => void,
): Promise<string> {
  let done = 0;
  const hashOf = async (store: Store): Promise<string> => {
    const hash = createHash('sha256');
    for (const table of tables) {
      for await (const rows of pages(store, table, null)) {
        for (const row of rows) hash.update(`${JSON.stringify([table, ...valuesOf(table, row).map(textOf)])}\n`);
        done += rows.length;
        onProgress({ step: 'comparing', done: Math.min(done, 2 * total), total: 2 * total });
      }
    }
    return hash.digest('hex');
  };
  const [before, after] = [await hashOf(from), await hashOf(to)];
  if (before === after) return before;
  throw new Error(
    'the copy differs from its source: was the source written to meanwhile, or the copy? Nothing serves the copy yet; empty the database and import again',
  );
}

/** All rows after a key, in the order of the key, a page at a time. */
async function* pages(store: Store, table: Moved, after: readonly Value[] | null): AsyncGenerator<Row[]> {
  let last = after;
  while (true) {
    const rows = await store.read<Row>(pageOf(store, table, last).compile());
    if (rows.length === 0) return;
    yield rows;
    last = MOVED[table].key.map((column) => rows.at(-1)![column]!);
  }
}

function pageOf(store: Store, table: Moved, after: readonly Value[] | null): Compilable {
  const { columns, key } = MOVED[table];
  const order = sql.join(key.map((column) => sql.ref(column)));
  const selected = sql.join(
    columns.map((column) =>
      column === 'costNanoUsd' ? sql`cast(${sql.ref(column)} as text) as ${sql.ref(column)}` : sql.ref(column),
    ),
  );
  const since = after === null ? sql`` : sql`where (${order}) > (${sql.join([...after])})`;
  const query = sql`select ${selected} from ${sql.table(table)} ${since} order by ${order} limit ${PAGE}`;
  return { compile: () => query.compile(store.queries) } as Compilable;
}

async function lastKeyOf(store: Store, table: Moved): Promise<Value[] | null> {
  const { key } = MOVED[table];
  const columns = sql.join(key.map((column) => sql.ref(column)));
  const order = sql.join(key.map((column) => sql`${sql.ref(column)} desc`));
  const query = sql`select ${columns} from ${sql.table(table)} order by ${order} limit 1`;
  const [row] = await store.read<Row>(query.compile(store.queries));
  return row ? key.map((column) => row[column]!) : null;
}

async function countOf(store: Store, table: Moved): Promise<number> {
  const query = sql`select count(*) as n from ${sql.table(table)}`;
  const [row] = await store.read<{ n: number }>(query.compile(store.queries));
  return row!.n;
}

async function sumOf(tables: readonly Moved[], count: (table: Moved) => Promise<number>): Promise<number> {
  let sum = 0;
  for (const table of tables) sum += await count(table);
  return sum;
}

/** In the order of the statement's columns; money, which may pass 2^53, was read as text. */
function valuesOf(table: Moved, row: Row): Value[] {
  return MOVED[table].columns.map((column) => {
    const value = row[column]!;
    return column === 'costNanoUsd' && value !== null ? BigInt(value as string) : value;
  });
}

function textOf(value: Value): string | number | null {
  return typeof value === 'bigint' ? value.toString() : (value as string | number | null);
}
