/** Sessions and messages by pages. Reads only; what was changed a moment ago is there, because it was committed. */
import { type SelectQueryBuilder, sql } from 'kysely';
import type { Tables } from '../store/schema.ts';
import type { Row, Store } from '../store/store.ts';
import { MESSAGE_COLUMNS, messageOf, SESSION_COLUMNS, sessionOf } from './rows.ts';
import type { Session, TranscriptMessage } from './session.ts';

export interface SessionsQuestion {
  /** Null: of every tenant. */
  tenantId: string | null;
  agentId?: string;
  sessionId?: string;
  label?: string;
  /** Anywhere in the key or the label, whatever the case of its letters. */
  search?: string;
  /** Changed since. */
  changedAfter?: number;
  limit: number;
  /** Left out before the page; for those who count pages. */
  offset?: number;
  /** The page behind this one; for those who go through all. */
  behind?: Pick<Session, 'updatedAt' | 'tenantId' | 'sessionKey'> | null;
}

export async function listPage(
  store: Store,
  question: SessionsQuestion,
): Promise<{ sessions: Session[]; total: number; hasMore: boolean }> {
  const { limit, offset = 0, behind = null } = question;
  const matching = matches(store.queries.selectFrom('sessions'), question);
  const after =
    behind === null
      ? matching
      : matching.where(({ eb, refTuple, tuple }) =>
          eb(
            refTuple('updatedAt', 'tenantId', 'sessionKey'),
            '<',
            tuple(behind.updatedAt, behind.tenantId, behind.sessionKey),
          ),
        );
  const page = after
    .select(SESSION_COLUMNS)
    .orderBy('updatedAt', 'desc')
    .orderBy('tenantId', 'desc')
    .orderBy('sessionKey', 'desc')
    .limit(limit + 1)
    .offset(offset);
  const count = matching.select(({ fn }) => fn.countAll<number>().as('total'));
  const [rows, [counted]] = await Promise.all([
    store.read<Row>(page.compile()),
    store.read<{ total: number }>(count.compile()),
  ]);
  const sessions = rows.slice(0, limit).map(sessionOf);
  return { sessions, total: Number(counted!.total), hasMore: rows.length > limit };
}

function matches<O>(
  query: SelectQueryBuilder<Tables, 'sessions', O>,
  { tenantId, agentId, sessionId, label, search, changedAfter }: SessionsQuestion,
): SelectQueryBuilder<Tables, 'sessions', O> {
  let found = query;
  if (tenantId !== null) found = found.where('tenantId', '=', tenantId);
  if (agentId !== undefined) found = found.where('agentId', '=', agentId);
  if (sessionId !== undefined) found = found.where('sessionId', '=', sessionId);
  if (label !== undefined) found = found.where('label', '=', label);
  if (changedAfter !== undefined) found = found.where('updatedAt', '>', changedAfter);
  if (search === undefined || search === '') return found;
  const pattern = `%${search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const contains = (column: 'sessionKey' | 'label') =>
    sql<boolean>`lower(${sql.ref(column)}) like ${pattern} escape '\\'`;
  return found.where(({ or }) => or([contains('sessionKey'), contains('label')]));
}

export interface HistoryQuestion {
  limit: number;
  /** Messages with smaller numbers only. */
  before?: number | null;
  /** Messages with greater numbers only: what a turn sends begins behind the last reset. */
  after?: number;
  /** So much of them as they are kept, and the message that goes beyond it; absent: all. */
  charsMax?: number;
}

/** Oldest first; the page is the last of those asked for. */
export interface TranscriptPage {
  session: Session;
  messages: TranscriptMessage[];
  hasMore: boolean;
}

export async function historyPage(
  store: Store,
  session: Session,
  { limit, before = null, after = 0, charsMax = Number.MAX_SAFE_INTEGER }: HistoryQuestion,
): Promise<TranscriptPage> {
  const own = store.queries
    .selectFrom('transcripts')
    .select(MESSAGE_COLUMNS)
    .where('tenantId', '=', session.tenantId)
    .where('sessionId', '=', session.sessionId)
    .where('seq', '>', after);
  const older = before === null ? own : own.where('seq', '<', before);
  const last = older.orderBy('seq', 'desc').limit(limit + 1);
  // Long messages are not read only to be cut: a thousand of them are more than a gateway has memory for.
  const measured = store.queries
    .selectFrom(last.as('last'))
    .select(MESSAGE_COLUMNS)
    .select(sql<number>`sum(length(${sql.ref('body')})) over (order by ${sql.ref('seq')} desc)`.as('chars'))
    .select(({ fn }) => fn.countAll<number>().over().as('found'));
  const query = store.queries
    .selectFrom(measured.as('measured'))
    .select([...MESSAGE_COLUMNS, 'found'])
    .where(sql<boolean>`${sql.ref('chars')} - length(${sql.ref('body')}) < ${sql.lit(charsMax)}`)
    .orderBy('seq', 'desc');
  const rows = await store.read<Row>(query.compile());
  const messages = rows.slice(0, limit).map(messageOf).reverse();
  return { session, messages, hasMore: Number(rows[0]?.found ?? 0) > messages.length };
}

/** Oldest first, behind that number: for whoever wants them all. */
export async function pageAfter(
  store: Store,
  { tenantId, sessionId }: Session,
  after: number,
  limit: number,
): Promise<TranscriptMessage[]> {
  const query = store.queries
    .selectFrom('transcripts')
    .select(MESSAGE_COLUMNS)
    .where('tenantId', '=', tenantId)
    .where('sessionId', '=', sessionId)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit);
  return (await store.read<Row>(query.compile())).map(messageOf);
}
