/** A session and a message as their tables keep them. Pure; loaded by the store's writer thread too. */
import { outboundOf } from '../domain/outbound-headers.ts';
import type { Row, Value } from '../store/store.ts';
import type { NewMessage, RunOutcome, Session, TranscriptMessage, TranscriptRole } from './session.ts';

/** What never changes while a session lives. */
const IDENTITY_COLUMNS = ['tenantId', 'sessionKey', 'sessionId', 'agentId', 'createdAt'] as const;
/** In the order of a row of `sessions.write`, before its key. */
export const CHANGING_COLUMNS = [
  'label',
  'overrides',
  'outboundHeaders',
  'updatedAt',
  'lastRunId',
  'lastRunAt',
  'lastOutcome',
  'messages',
  'resetSeq',
  'usageFrom',
  'revision',
] as const;
export const SESSION_COLUMNS = [...IDENTITY_COLUMNS, ...CHANGING_COLUMNS] as const;
export const MESSAGE_COLUMNS = ['tenantId', 'sessionId', 'seq', 'messageId', 'role', 'at', 'runId', 'body'] as const;

export function sessionValues(session: Session): Value[] {
  return SESSION_COLUMNS.map((column) => stored(session, column));
}

/** For `sessions.write`. */
export function changedValues(session: Session): Value[] {
  const changes = CHANGING_COLUMNS.map((column) => stored(session, column));
  return [...changes, session.tenantId, session.sessionKey];
}

function stored(session: Session, column: (typeof SESSION_COLUMNS)[number]): Value {
  const value = session[column];
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}

/** Frozen: it is handed to runs as it was at their admission. */
export function sessionOf(row: Row): Session {
  return Object.freeze({
    tenantId: String(row.tenantId),
    sessionKey: String(row.sessionKey),
    sessionId: String(row.sessionId),
    agentId: textOf(row.agentId),
    label: textOf(row.label),
    overrides: Object.freeze(JSON.parse(String(row.overrides)) as Session['overrides']),
    outboundHeaders: outboundOf(JSON.parse(String(row.outboundHeaders))),
    createdAt: Number(row.createdAt),
    updatedAt: Number(row.updatedAt),
    lastRunId: textOf(row.lastRunId),
    lastRunAt: row.lastRunAt === null ? null : Number(row.lastRunAt),
    lastOutcome: textOf(row.lastOutcome) as RunOutcome | null,
    messages: Number(row.messages),
    resetSeq: Number(row.resetSeq),
    usageFrom: Number(row.usageFrom),
    revision: Number(row.revision),
  });
}

/** What of a message is in its `body`. */
export function bodyOf({ role: _role, ...body }: NewMessage): string {
  return JSON.stringify(body);
}

export function messageOf(row: Row): TranscriptMessage {
  return {
    ...(JSON.parse(String(row.body)) as Omit<NewMessage, 'role'>),
    messageId: String(row.messageId),
    seq: Number(row.seq),
    role: String(row.role) as TranscriptRole,
    at: Number(row.at),
    runId: textOf(row.runId),
  };
}

function textOf(value: Value | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
