/**
 * Connections to PostgreSQL and what their sessions must be set to. A session ends itself when its gateway vanished, so
 * that a lock it held goes to the others; and it reads numbers as numbers, so that rows look the same from both engines.
 */
import pg from 'pg';
import type { Value } from '../store.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** A session that holds a lock and says nothing is ended by the server after this. */
const SILENT_IN_TRANSACTION_MS = 5_000;
/** A write that the server has not answered by then is taken for lost, with its connection. */
const WRITE_TIMEOUT_MS = 10_000;
const READ_TIMEOUT_MS = 60_000;
const READERS_MAX = 4;
/** Seconds, tries: how soon each end notices that the other is no longer reachable. */
const KEEPALIVE = 'tcp_keepalives_idle=5 tcp_keepalives_interval=2 tcp_keepalives_count=3 tcp_user_timeout=11000';

const INT8 = 20;

const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary'
      ? wholeNumber
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

export interface SessionOptions {
  url: string;
  /** False: a crash of the server may lose what was committed last. */
  synced: boolean;
}

/** One connection that writes. Statements may be sent before the ones before are answered. */
export async function connectWriter({ url, synced }: SessionOptions): Promise<pg.Client> {
  const client = new pg.Client({
    ...base(url),
    pipeline: true,
    query_timeout: WRITE_TIMEOUT_MS,
    application_name: 'weighbridge writer',
    options: settings(url, [
      `idle_in_transaction_session_timeout=${SILENT_IN_TRANSACTION_MS}`,
      `statement_timeout=${WRITE_TIMEOUT_MS}`,
      `synchronous_commit=${synced ? 'on' : 'off'}`,
    ]),
  } as pg.ClientConfig);
  return connected(client);
}

/** A connection that only listens. */
export async function connectListener(url: string): Promise<pg.Client> {
  const client = new pg.Client({ ...base(url), application_name: 'weighbridge listener', options: settings(url, []) });
  return connected(client);
}

/** Connections for questions; they cannot write. */
export function readerPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    ...base(url),
    max: READERS_MAX,
    idleTimeoutMillis: 30_000,
    query_timeout: READ_TIMEOUT_MS,
    application_name: 'weighbridge reader',
    options: settings(url, [
      `statement_timeout=${READ_TIMEOUT_MS}`,
      'default_transaction_read_only=on',
      // Compiling a question takes longer than answering it.
      'jit=off',
    ]),
  });
  // An idle connection that breaks is replaced by the next question.
  pool.on('error', () => {});
  return pool;
}

function base(url: string): pg.ClientConfig {
  return {
    connectionString: withoutOptions(url),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types,
  };
}

async function connected(client: pg.Client): Promise<pg.Client> {
  // Whoever uses the connection learns of its end by its statements; without a listener the process would end.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** The operator's own session options (`?options=-c search_path=…`) stay, ours come after them. */
function settings(url: string, own: readonly string[]): string {
  const given = new URL(url).searchParams.get('options') ?? '';
  return [given, ...[...KEEPALIVE.split(' '), ...own].map((setting) => `-c ${setting}`)].join(' ').trim();
}

function withoutOptions(url: string): string {
  const parsed = new URL(url);
  parsed.searchParams.delete('options');
  return parsed.href;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  // A bug of ours, whose code keeps it from being taken for a failure that passes: numeric_value_out_of_range.
  if (!Number.isSafeInteger(number)) {
    throw Object.assign(new Error(`the number ${text} must be read as text`), { code: '22003' });
  }
  return number;
}

/**
 * Texts as PostgreSQL can hold them: no U+0000, no lone surrogates. Such a character becomes U+FFFD rather than a reason
 * to lose a record; doors refuse them in names before.
 */
export function storable(value: Value): Value {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\uFFFD') : value;
}

/** Rows of values as one JSON array of objects, for `json_populate_recordset`. */
export function rowsAsJson(columns: readonly string[], rows: readonly (readonly Value[])[]): string {
  const names = columns.map((column) => JSON.stringify(column));
  return `[${rows.map((row) => `{${row.map((value, i) => `${names[i]}:${asJson(value)}`).join(',')}}`).join(',')}]`;
}

function asJson(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'bigint') return `"${value}"`;
  if (value instanceof Uint8Array)
    return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}"`;
  return JSON.stringify(storable(value));
}
