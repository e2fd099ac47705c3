/**
 * The sessions' transactions, run in the store's writer thread. A change and what it does to an event are one; whoever
 * appends to the event log locks the counters first, and sessions are locked in the order of their keys, so that no two
 * gateways wait for each other. What is written twice (an answer of the database got lost) finds itself.
 */
import { appendFacts, type Fact } from '../events/append.ts';
import { siblingId } from '../lib/ids.ts';
import { ask, each, type Steps, telling, together } from '../store/steps.ts';
import type { Row, Value } from '../store/store.ts';
import { bodyOf, changedValues, SESSION_COLUMNS, sessionOf, sessionValues } from './rows.ts';
import {
  existsAlready,
  type NewMessage,
  nameOf,
  patched,
  type RunOutcome,
  type Session,
  type SessionPatch,
} from './session.ts';

export interface SessionName {
  tenantId: string;
  sessionKey: string;
}

/** `fresh` is put there where nothing is; null: then there is nothing. */
export interface OpenInput extends SessionName {
  fresh: Session | null;
}

export interface ChangeInput extends SessionName {
  change:
    | { kind: 'patch'; patch: SessionPatch; fresh: Session; reason: 'patch' | 'create' }
    | { kind: 'reset' }
    | { kind: 'delete'; transcriptOnly: boolean };
  eventId: string;
  now: number;
}

/** `absent`: there was nothing to change. */
export type Changed =
  | { kind: 'changed'; row: Row | null; seq: number | null }
  | { kind: 'absent' }
  | { kind: 'refused'; code: string; message: string };

export interface AppendInput extends SessionName {
  /** Another id there now: the session was deleted while the run went on, and what it said goes with it. */
  sessionId: string;
  /** Whoever took the session's lane must still hold it; null: no lane, or nobody else could. */
  laneHolder: string | null;
  runId: string;
  /** What began before the session's last reset was said in another conversation. */
  startedAt: number;
  outcome: RunOutcome | null;
  messages: readonly (NewMessage & { messageId: string; at: number; runId: string | null })[];
  now: number;
}

export type Appended = { kind: 'appended'; row: Row; seqs: number[] } | { kind: 'absent' } | { kind: 'lane_lost' };

/** What is told when a lane falls free, with the session's name. */
export const LANE_FREE = 'lane:';

export function* openSessions(inputs: readonly OpenInput[]): Steps<(Row | null)[]> {
  yield* each(
    'sessions.add',
    inputs.flatMap(({ fresh }) => (fresh === null ? [] : [sessionValues(fresh)])),
  );
  const found = yield* each('sessions.find', inputs.map(nameValues));
  return [...found];
}

/** Sessions that calls bring in, each before the first entry of its run. */
export function* addSessions(inputs: readonly Session[]): Steps<null[]> {
  yield* each('sessions.add', inputs.map(sessionValues));
  return inputs.map(() => null);
}

/** The sessions that changed last. */
export function* recentSessions(inputs: readonly number[]): Steps<(readonly Row[])[]> {
  const answers: (readonly Row[])[] = [];
  for (const limit of inputs) answers.push(yield* ask('sessions.recent', [limit]));
  return answers;
}

export function* changeSessions(inputs: readonly ChangeInput[]): Steps<Changed[]> {
  yield* ask('events.lockCounters', [1]);
  const patches = inputs.flatMap(({ change }) => (change.kind === 'patch' ? [change.fresh] : []));
  const added = yield* each('sessions.add', patches.map(sessionValues));
  /** Put there by this batch and by nothing else yet: a patch that is refused makes no session. */
  const made = new Set(patches.filter((_, i) => added[i]).map(nameOf));
  const kept = yield* lockAll(inputs);
  const facts: Fact[] = [];
  const touched = new Set<string>();
  const answers: (Changed & { fact?: number })[] = [];
  for (const input of inputs) {
    const name = nameOf(input);
    const { change } = input;
    const isNew = change.kind === 'patch' && (made.has(name) || !kept.has(name));
    if (isNew && !kept.has(name)) kept.set(name, yield* madeAgain(change.fresh));
    const session = kept.get(name);
    if (session === undefined || (made.has(name) && !isNew)) {
      answers.push({ kind: 'absent' });
      continue;
    }
    const outcome = yield* changeOne(input, session, { isNew, kept });
    if (outcome.kind === 'refused') {
      if (isNew) made.add(name);
      answers.push(outcome);
      continue;
    }
    made.delete(name);
    if (outcome.next === null) kept.delete(name);
    else kept.set(name, outcome.next);
    touched.add(name);
    if (outcome.fact !== null) facts.push(outcome.fact);
    // As this change left it, not as the batch did: whoever asked for it runs with it.
    const row = outcome.next && rowOf(outcome.next);
    answers.push({ kind: 'changed', row, seq: null, ...(outcome.fact && { fact: facts.length - 1 }) });
  }
  const changes = [...touched].flatMap((name) => kept.get(name) ?? []);
  yield* each('sessions.write', changes.map(changedValues));
  for (const name of made) yield* ask('sessions.remove', nameValues(kept.get(name)!));
  const places = yield* appendFacts(facts);
  return answers.map(({ fact, ...answer }) =>
    answer.kind === 'changed' && fact !== undefined ? { ...answer, seq: places[fact]!.seq } : answer,
  );
}

/** A patch of a session that an earlier change of the same batch deleted. */
function* madeAgain(fresh: Session): Steps<Session> {
  yield* each('sessions.add', [sessionValues(fresh)]);
  return fresh;
}

type Outcome = { kind: 'done'; next: Session | null; fact: Fact | null } | (Changed & { kind: 'refused' });

/** What a change finds. */
interface Found {
  /** The patch makes the session. */
  isNew: boolean;
  /** As earlier changes of the batch left them. */
  kept: ReadonlyMap<string, Session>;
}

function* changeOne(input: ChangeInput, session: Session, found: Found): Steps<Outcome> {
  const { change } = input;
  if (change.kind === 'patch') return yield* patchOne(input, session, change, found);
  if (change.kind === 'reset') return yield* resetOne(input, session);
  yield* ask('sessions.removeMessages', [session.tenantId, session.sessionId]);
  if (change.transcriptOnly) {
    const fact = factOf(input, session, { reason: 'delete', changed: ['transcript'] });
    return { kind: 'done', next: changedSession(session, {}, input.now), fact };
  }
  yield* ask('sessions.remove', [session.tenantId, session.sessionKey]);
  return { kind: 'done', next: null, fact: factOf(input, session, { reason: 'delete', changed: ['session'] }) };
}

function* patchOne(
  input: ChangeInput,
  session: Session,
  { patch, reason, fresh }: ChangeInput['change'] & { kind: 'patch' },
  { isNew, kept }: Found,
): Steps<Outcome> {
  // Also where it came between the question whether there is one and this.
  if (reason === 'create' && session.sessionId !== fresh.sessionId) return refused(existsAlready(session.sessionKey));
  if (patch.label !== undefined && patch.label !== null && patch.label !== session.label) {
    const owner = yield* ownerOfLabel(session.tenantId, patch.label, kept);
    if (owner !== null && owner !== session.sessionKey) return refused(`label already in use: ${patch.label}`);
  }
  try {
    const { session: next, changed } = patched(session, patch);
    if (changed.length === 0 && !isNew) return { kind: 'done', next: session, fact: null };
    const about = { reason: isNew ? ('create' as const) : reason, changed, ...headersChanged(session, next) };
    return { kind: 'done', next: changedSession(session, next, input.now), fact: factOf(input, session, about) };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === undefined) throw error;
    return refused(message, code);
  }
}

function refused(message: string, code = 'invalid_request'): Outcome {
  return { kind: 'refused', code, message };
}

function* ownerOfLabel(tenantId: string, label: string, kept: Found['kept']): Steps<string | null> {
  for (const own of kept.values()) if (own.tenantId === tenantId && own.label === label) return own.sessionKey;
  const [row] = yield* ask('sessions.ofLabel', [tenantId, label, 1]);
  if (row === undefined) return null;
  const sessionKey = String(row.sessionKey);
  // One of the batch that has another label by now.
  return kept.has(nameOf({ tenantId, sessionKey })) ? null : sessionKey;
}

/** What was said stays, behind a mark; what the runs used is counted from here on. */
function* resetOne(input: ChangeInput, session: Session): Steps<Outcome> {
  const { now } = input;
  const messageId = siblingId(input.eventId, 'msg');
  const [known] = yield* each('sessions.findMessage', [[session.tenantId, messageId]]);
  if (known !== null) return { kind: 'done', next: session, fact: null };
  const seq = session.messages + 1;
  const mark = bodyOf({ role: 'system', text: 'Reset', kind: 'reset' });
  const { tenantId, sessionId } = session;
  yield* each('sessions.addMessage', [[tenantId, sessionId, seq, messageId, 'system', now, null, mark]]);
  const next = { messages: seq, resetSeq: seq, usageFrom: now, lastRunId: null, lastRunAt: null, lastOutcome: null };
  const fact = factOf(input, session, { reason: 'reset', changed: ['transcript', 'usage'] });
  return { kind: 'done', next: changedSession(session, next, now), fact };
}

export function* appendTurns(inputs: readonly AppendInput[]): Steps<Appended[]> {
  const kept = yield* lockAll(inputs);
  const ids = inputs.flatMap(({ tenantId, messages }) => messages.map(({ messageId }) => [tenantId, messageId]));
  const [known, holders] = yield* together(
    { name: 'sessions.findMessage', rows: ids },
    { name: 'sessions.holderOfLane', rows: inputs.map(nameValues) },
  );
  const rows: Value[][] = [];
  const written = new Set<string>();
  let at = 0;
  const answers = inputs.map((input, i): Appended => {
    const found = known!.slice(at, at + input.messages.length);
    at += input.messages.length;
    const session = kept.get(nameOf(input));
    if (session === undefined || session.sessionId !== input.sessionId) return { kind: 'absent' };
    if (input.laneHolder !== null && holders![i]?.holder !== input.laneHolder) return { kind: 'lane_lost' };
    const isLate = input.startedAt < session.usageFrom;
    let { messages } = session;
    const seqs = input.messages.map((message, m) => {
      const there = found[m];
      if (there) return Number(there.seq);
      if (written.has(message.messageId)) return messages;
      written.add(message.messageId);
      messages++;
      rows.push(messageRow(session, messages, isLate ? { ...message, late: true } : message));
      return messages;
    });
    const ran =
      input.outcome === null || isLate
        ? {}
        : { lastRunId: input.runId, lastRunAt: input.now, lastOutcome: input.outcome };
    const next = changedSession(session, { messages, ...ran }, input.now);
    kept.set(nameOf(input), next);
    return { kind: 'appended', row: rowOf(next), seqs };
  });
  yield* each('sessions.addMessage', rows);
  const changed = new Set(inputs.filter((_, i) => answers[i]!.kind === 'appended').map(nameOf));
  yield* each(
    'sessions.write',
    [...changed].map((name) => changedValues(kept.get(name)!)),
  );
  return answers;
}

export interface LaneClaim extends SessionName {
  holder: string;
  leaseMs: number;
}

/** True: the lane is the holder's for another `leaseMs`. */
export function* claimLanes(inputs: readonly LaneClaim[]): Steps<boolean[]> {
  const answers: boolean[] = [];
  for (const { tenantId, sessionKey, holder, leaseMs } of inputs) {
    const rows = yield* ask('sessions.claimLane', [tenantId, sessionKey, holder, leaseMs]);
    answers.push(rows.length > 0);
  }
  return answers;
}

export function* releaseLanes(inputs: readonly Omit<LaneClaim, 'leaseMs'>[]): Steps<null[]> {
  for (const { tenantId, sessionKey, holder } of inputs) {
    yield* ask('sessions.releaseLane', [tenantId, sessionKey, holder]);
  }
  yield* together(telling(LANE_FREE));
  return inputs.map(() => null);
}

export interface SweepInput {
  before: number;
  limit: number;
}

/** One page; call again while it removes as many as it may. Gives the sessions that are forgotten. */
export function* sweepSessions(inputs: readonly SweepInput[]): Steps<{ messages: number; sessions: SessionName[] }[]> {
  const answers: { messages: number; sessions: SessionName[] }[] = [];
  for (const { before, limit } of inputs) {
    const messages = yield* ask('sessions.sweepMessages', [before, limit]);
    const sessions = yield* ask('sessions.sweepSessions', [before, limit]);
    const names = sessions.map((row) => ({ tenantId: String(row.tenantId), sessionKey: String(row.sessionKey) }));
    answers.push({ messages: messages.length, sessions: names });
  }
  return answers;
}

/** Locks those that are there, in one order for all. */
function* lockAll(inputs: readonly SessionName[]): Steps<Map<string, Session>> {
  const names = new Map(inputs.map((input) => [nameOf(input), input]));
  const kept = new Map<string, Session>();
  for (const name of [...names.keys()].sort()) {
    const [row] = yield* ask('sessions.lock', nameValues(names.get(name)!));
    if (row !== undefined) kept.set(name, sessionOf(row));
  }
  return kept;
}

function changedSession(session: Session, over: Partial<Session>, now: number): Session {
  const updatedAt = Math.max(now, session.updatedAt);
  return { ...session, ...over, updatedAt, revision: session.revision + 1 };
}

function messageRow(session: Session, seq: number, message: AppendInput['messages'][number]): Value[] {
  const { messageId, at, runId, ...rest } = message;
  return [session.tenantId, session.sessionId, seq, messageId, rest.role, at, runId, bodyOf(rest)];
}

/** Names only: no header's value is ever in an event. */
function factOf(input: ChangeInput, session: Session, about: object): Fact {
  const { sessionKey, sessionId, agentId } = session;
  return {
    tenantId: input.tenantId,
    id: input.eventId,
    type: 'session.patched',
    subject: sessionKey,
    payload: JSON.stringify({ sessionKey, sessionId, agentId, ...about }),
    now: input.now,
  };
}

function headersChanged(before: Session, after: Session): { headers?: { set: string[]; cleared: string[] } } {
  const [was, is] = [before.outboundHeaders, after.outboundHeaders];
  const set = Object.keys(is).filter((name) => was[name] !== is[name]);
  const cleared = Object.keys(was).filter((name) => is[name] === undefined);
  return set.length + cleared.length === 0 ? {} : { headers: { set, cleared } };
}

function rowOf(session: Session): Row {
  const values = sessionValues(session);
  return Object.fromEntries(SESSION_COLUMNS.map((column, i) => [column, values[i]!]));
}

function nameValues({ tenantId, sessionKey }: SessionName): Value[] {
  return [tenantId, sessionKey];
}
