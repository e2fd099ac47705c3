/**
 * What happens to sessions, told to those who follow them: `sessions.changed` with the row as it then is, and
 * `session.message` for each message of a session that somebody follows. Told one after the other; where nobody follows,
 * nothing is asked.
 */
import type { TurnEvent, TurnResult } from '../runs/turn.ts';
import type { TranscriptPage } from '../sessions/reading.ts';
import type { Appended, AppendInput } from '../sessions/scripts.ts';
import type { NewMessage, Session, SessionUsage, TranscriptMessage } from '../sessions/session.ts';
import type { SessionChange } from '../sessions/sessions.ts';
import type { Connection } from './connection.ts';
import { type Hub, mayHear, mayRead } from './hub.ts';
import type { SessionRows } from './session-rows.ts';
import { spokenMessage, wireMessage } from './session-shapes.ts';
import { invalid } from './wire-errors.ts';

export interface SessionEventsDeps {
  hub: Pick<Hub, 'broadcast' | 'of'>;
  rows: SessionRows;
  sessions: {
    history(tenantId: string, sessionKey: string, question: { limit: number }): Promise<TranscriptPage | null>;
    usageOfRuns(tenantId: string, runIds: readonly string[]): Promise<ReadonlyMap<string, SessionUsage>>;
    append(turn: Omit<AppendInput, 'now'>): Promise<Appended>;
  };
  newMessageId: () => string;
  now: () => number;
  report: (error: unknown) => void;
}

/** Messages of one turn, and of another that ended in between. */
const MESSAGES_LOOKED_AT = 6;

export class SessionEvents {
  readonly #deps: SessionEventsDeps;
  #telling: Promise<void> = Promise.resolve();

  constructor(deps: SessionEventsDeps) {
    this.#deps = deps;
  }

  /** After each change that somebody made. */
  changed({ tenantId, sessionKey, reason }: SessionChange): void {
    this.#tell(tenantId, sessionKey, { reason });
  }

  /** After what happened to a turn that others see in the row. */
  turned(event: TurnEvent): void {
    const { tenantId, sessionKey, runId } = event;
    if (event.type === 'started')
      this.#tell(tenantId, sessionKey, { reason: 'agent.run.started', phase: 'start', runId });
    if (event.type !== 'ended') return;
    const phase = event.result.outcome === 'failed' ? 'error' : 'end';
    this.#tell(tenantId, sessionKey, { reason: 'agent.input.settled', phase, runId });
    this.#after(() => this.#tellMessages(tenantId, event.result));
  }

  /** Puts a message into the session, outside of any turn. */
  async inject(session: Session, message: NewMessage): Promise<{ messageId: string }> {
    const { sessions, newMessageId, now, hub } = this.#deps;
    const { tenantId, sessionKey, sessionId, agentId } = session;
    const messageId = newMessageId();
    const at = now();
    const messages = [{ ...message, messageId, at, runId: null }];
    const kept = await sessions.append({
      ...{ tenantId, sessionKey, sessionId, laneHolder: null, runId: '', startedAt: at, outcome: null, messages },
    });
    if (kept.kind !== 'appended') throw invalid(`No session found: ${sessionKey.slice(0, 200)}`);
    const final = { state: 'final', message: spokenMessage(message.text, at), stopReason: 'stop' };
    const payload = { runId: `inject-${messageId}`, sessionKey, ...(agentId ? { agentId } : {}), seq: 0, ...final };
    hub.broadcast('chat', payload, { tenantId, agentId, among: mayHear });
    const seq = kept.seqs[0] ?? 0;
    this.#after(() => this.#tellMessage(session, { ...message, messageId, at, runId: null, seq }, null));
    return { messageId };
  }

  /** All that was to be told has been. */
  settled(): Promise<void> {
    return this.#telling;
  }

  #tell(tenantId: string, sessionKey: string, what: { reason: string; phase?: string; runId?: string }): void {
    const follows = (connection: Connection): boolean => connection.followsSessions && mayRead(connection);
    if (!this.#isFollowed(tenantId, follows)) return;
    this.#after(async () => {
      const row = await this.#deps.rows.of(tenantId, sessionKey);
      const agentId = (row?.agentId as string | undefined) ?? sessionKey.split(':')[1] ?? null;
      const payload = {
        sessionKey,
        ...(agentId === null ? {} : { agentId }),
        ...what,
        ts: this.#deps.now(),
        ...(row === null ? {} : { session: row, sessionId: row.sessionId, updatedAt: row.updatedAt }),
      };
      this.#deps.hub.broadcast('sessions.changed', payload, { tenantId, agentId, among: follows });
    });
  }

  async #tellMessages(tenantId: string, { sessionKey, messageId, replyId }: TurnResult): Promise<void> {
    const { sessions } = this.#deps;
    if (messageId === null && replyId === null) return;
    if (!this.#isFollowed(tenantId, followsKey(sessionKey))) return;
    const page = await sessions.history(tenantId, sessionKey, { limit: MESSAGES_LOOKED_AT });
    const own = page?.messages.filter((message) => [messageId, replyId].includes(message.messageId)) ?? [];
    const usage = await sessions.usageOfRuns(tenantId, [...new Set(own.flatMap(({ runId }) => runId ?? []))]);
    for (const message of own) {
      await this.#tellMessage(
        page!.session,
        message,
        message.runId === null ? null : (usage.get(message.runId) ?? null),
      );
    }
  }

  async #tellMessage(session: Session, message: TranscriptMessage, usage: SessionUsage | null): Promise<void> {
    const { tenantId, sessionKey, agentId, sessionId } = session;
    const among = followsKey(sessionKey);
    if (!this.#isFollowed(tenantId, among)) return;
    const row = await this.#deps.rows.of(tenantId, sessionKey);
    const payload = {
      sessionKey,
      ...(agentId === null ? {} : { agentId }),
      message: wireMessage(message, usage),
      messageId: message.messageId,
      messageSeq: message.seq,
      sessionId,
      ...(row === null ? {} : { session: row, updatedAt: row.updatedAt }),
    };
    this.#deps.hub.broadcast('session.message', payload, { tenantId, agentId, among });
  }

  #isFollowed(tenantId: string, follows: (connection: Connection) => boolean): boolean {
    return this.#deps.hub.of(tenantId).some(follows);
  }

  #after(step: () => Promise<void>): void {
    this.#telling = this.#telling.then(step).catch(this.#deps.report);
  }
}

function followsKey(sessionKey: string): (connection: Connection) => boolean {
  return (connection) => connection.followedKeys.has(sessionKey) && mayHear(connection);
}
