/**
 * What is remembered under a session key: who it is, what people set on it, what was said. Patch and snapshot are one step:
 * a run admitted after a patch was answered sees it, one admitted before never does. Where no other process writes the
 * database a snapshot comes from memory at once; where gateways share one, it is read. Counts are the ledger's.
 */
import { GatewayError, type RefusalCode } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { type Row, type Store, StoreUnavailable } from '../store/store.ts';
import { messageLine, sessionLine } from './jsonl.ts';
import { agentOfKey } from './keys.ts';
import { KnownSessions } from './known.ts';
import {
  type HistoryQuestion,
  historyPage,
  listPage,
  pageAfter,
  type SessionsQuestion,
  type TranscriptPage,
} from './reading.ts';
import { sessionOf } from './rows.ts';
import type { Appended, AppendInput, Changed, ChangeInput, OpenInput, SessionName, SweepInput } from './scripts.ts';
import {
  nameOf,
  newSession,
  type RunUsage,
  type Session,
  type SessionPatch,
  type SessionUsage,
  type SessionView,
  type TranscriptMessage,
} from './session.ts';

/** What the ledger has of sessions and runs; the ledger's room answers it. */
export interface SessionLedger {
  /** By session id; absent: nothing. */
  ofSessions(tenantId: string, sessions: readonly Session[]): Promise<ReadonlyMap<string, SessionUsage>>;
  /** By run id. */
  ofRuns(tenantId: string, runIds: readonly string[]): Promise<ReadonlyMap<string, RunUsage>>;
}

export interface SessionsDeps {
  store: Store;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  usage: SessionLedger;
  limits: () => { sessionsKnownMax: number };
  /** Told after each commit that appended to the event log. */
  announce: (seq: number) => void;
  /** Told of what could not be written beside a run. */
  report: (error: unknown) => void;
}

/** What happened to a session in this process, for doors that tell their own clients. */
export interface SessionChange {
  tenantId: string;
  sessionKey: string;
  reason: 'create' | 'patch' | 'reset' | 'delete';
  /** Null: it is gone. */
  session: Session | null;
}

export class Sessions {
  readonly #deps: SessionsDeps;
  /** Null: others write the database too. */
  readonly #known: KnownSessions | null;
  readonly #loading = new Map<string, Promise<Session | null>>();
  /** What patches on their way make where there is nothing: a run that is admitted meanwhile is in that session. */
  readonly #making = new Map<string, { fresh: Session; patches: number }>();
  readonly #listeners = new Set<(change: SessionChange) => void>();

  private constructor(deps: SessionsDeps, known: KnownSessions | null) {
    this.#deps = deps;
    this.#known = known;
  }

  static async begin(deps: SessionsDeps): Promise<Sessions> {
    if (!deps.store.exclusive) return new Sessions(deps, null);
    const max = deps.limits().sessionsKnownMax;
    const recent = await deps.store.write<Row[]>('recentSessions', max + 1);
    const known = new KnownSessions(() => deps.limits().sessionsKnownMax, recent.length <= max);
    for (const row of recent.slice(0, max).reverse()) known.put(sessionOf(row));
    return new Sessions(deps, known);
  }

  /** The session as it is now; null: there is none. At once where it is in memory. */
  snapshot(tenantId: string, sessionKey: string): Session | null | Promise<Session | null> {
    const known = this.#known?.get(tenantId, sessionKey);
    return known !== undefined ? known : this.#load({ tenantId, sessionKey });
  }

  /** The same, and there is one afterwards. */
  open(tenantId: string, sessionKey: string): Session | Promise<Session> {
    const found = this.snapshot(tenantId, sessionKey);
    if (found instanceof Promise) return found.then((loaded) => loaded ?? this.#opened(tenantId, sessionKey));
    return found ?? this.#opened(tenantId, sessionKey);
  }

  /** Makes the session where there is none. Throws `invalid_request` where the label is another's or headers are too many. */
  patch(tenantId: string, sessionKey: string, patch: SessionPatch): Promise<Session> {
    return this.#patch({ tenantId, sessionKey }, patch, 'patch');
  }

  /** Only where there is none: throws `invalid_request` where there is. */
  create(tenantId: string, sessionKey: string, patch: SessionPatch): Promise<Session> {
    return this.#patch({ tenantId, sessionKey }, patch, 'create');
  }

  /** Turns start anew, and so does the count; what was said before stays behind a mark. Null: there is no such session. */
  async reset(tenantId: string, sessionKey: string): Promise<Session | null> {
    return (await this.#change({ tenantId, sessionKey }, { kind: 'reset' }, 'reset'))?.session ?? null;
  }

  /** The session and its transcript, or the transcript alone; entries of the ledger stay. False: there was none. */
  async delete(tenantId: string, sessionKey: string, { transcriptOnly = false } = {}): Promise<boolean> {
    const done = await this.#change({ tenantId, sessionKey }, { kind: 'delete', transcriptOnly }, 'delete');
    return done !== null;
  }

  /** Those that changed last come first. */
  async list(question: SessionsQuestion): Promise<{ sessions: SessionView[]; total: number; hasMore: boolean }> {
    const { sessions, ...page } = await listPage(this.#deps.store, question);
    return { sessions: await this.#viewed(sessions), ...page };
  }

  async describe(tenantId: string, sessionKey: string): Promise<SessionView | null> {
    const session = await this.snapshot(tenantId, sessionKey);
    return session === null ? null : (await this.#viewed([session]))[0]!;
  }

  /** Null: there is no such session. */
  async history(tenantId: string, sessionKey: string, question: HistoryQuestion): Promise<TranscriptPage | null> {
    const session = await this.snapshot(tenantId, sessionKey);
    return session === null ? null : historyPage(this.#deps.store, session, question);
  }

  /** What runs used, by run id: for those who show messages. */
  usageOfRuns(tenantId: string, runIds: readonly string[]): Promise<ReadonlyMap<string, RunUsage>> {
    return runIds.length === 0 ? Promise.resolve(new Map()) : this.#deps.usage.ofRuns(tenantId, runIds);
  }

  /** The transcript in OpenClaw's lines, page by page. Null: there is no such session. */
  async exportJsonl(tenantId: string, sessionKey: string): Promise<AsyncIterable<string> | null> {
    const session = await this.snapshot(tenantId, sessionKey);
    return session === null ? null : this.#lines(session);
  }

  async *#lines(session: Session): AsyncGenerator<string> {
    yield sessionLine(session);
    let parentId: string | null = null;
    for (let after = 0; ; ) {
      const messages = await pageAfter(this.#deps.store, session, after, EXPORT_PAGE);
      const used = await this.usageOfRuns(session.tenantId, runsOf(messages));
      for (const message of messages) {
        yield messageLine(message, parentId, used.get(message.runId ?? '') ?? null);
        parentId = message.messageId;
      }
      if (messages.length < EXPORT_PAGE) return;
      after = messages.at(-1)!.seq;
    }
  }

  /** Messages of one turn, in one transaction with what the session then knows of its last run. */
  async append(turn: Omit<AppendInput, 'now'>): Promise<Appended> {
    const { store, clock } = this.#deps;
    const input: AppendInput = { ...turn, now: clock.now() };
    let appended = await store.write<Appended>('appendTurns', input);
    const known = this.#known?.get(turn.tenantId, turn.sessionKey);
    if (appended.kind === 'absent' && known?.sessionId === turn.sessionId) {
      // It was noted a moment ago and is no row yet; a read waits until it is.
      await pageAfter(store, known, 0, 1);
      appended = await store.write<Appended>('appendTurns', input);
    }
    if (appended.kind === 'appended') this.#known?.put(sessionOf(appended.row));
    return appended;
  }

  /** Forgets transcripts older than that, and sessions as old on which nobody set anything. */
  async sweep(before: number, limit = 500): Promise<{ messages: number; sessions: number }> {
    const swept = { messages: 0, sessions: 0 };
    while (true) {
      const page = await this.#deps.store.write<{ messages: number; sessions: SessionName[] }>('sweepSessions', {
        before,
        limit,
      } satisfies SweepInput);
      for (const { tenantId, sessionKey } of page.sessions) this.#known?.remove(tenantId, sessionKey);
      swept.messages += page.messages;
      swept.sessions += page.sessions.length;
      if (page.messages < limit && page.sessions.length < limit) return swept;
    }
  }

  /** Calls with what changes here; returns what ends it. */
  onChange(listener: (change: SessionChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #patch(name: SessionName, patch: SessionPatch, reason: 'patch' | 'create'): Promise<Session> {
    const key = nameOf(name);
    const under = this.#making.get(key);
    // Whoever creates must not find its own session made by somebody else.
    const making = under && reason === 'patch' ? under : { fresh: this.#fresh(name), patches: 0 };
    if (under === undefined) this.#making.set(key, making);
    making.patches++;
    try {
      const done = await this.#change(name, { kind: 'patch', patch, fresh: making.fresh, reason }, reason);
      return done!.session!;
    } finally {
      making.patches--;
      if (making.patches === 0 && this.#making.get(key) === making) this.#making.delete(key);
    }
  }

  async #change(
    name: SessionName,
    change: ChangeInput['change'],
    reason: SessionChange['reason'],
  ): Promise<{ session: Session | null } | null> {
    const { store, clock, ids, announce } = this.#deps;
    const input: ChangeInput = { ...name, change, eventId: ids.next('evt'), now: clock.now() };
    const changed = await store.write<Changed>('changeSessions', input).catch(refusalOf);
    if (changed.kind === 'refused') throw new GatewayError(changed.code as RefusalCode, changed.message);
    if (changed.kind === 'absent') return null;
    const session = changed.row === null ? null : sessionOf(changed.row);
    // Before anybody hears of it: whoever is admitted from here on runs with it.
    if (session === null) this.#known?.remove(name.tenantId, name.sessionKey);
    else this.#known?.put(session);
    if (changed.seq !== null) announce(changed.seq);
    for (const listener of this.#listeners) listener({ ...name, reason, session });
    return { session };
  }

  #opened(tenantId: string, sessionKey: string): Session | Promise<Session> {
    const { store, report } = this.#deps;
    const again = this.#known?.get(tenantId, sessionKey);
    if (again) return again;
    const fresh = this.#making.get(nameOf({ tenantId, sessionKey }))?.fresh ?? this.#fresh({ tenantId, sessionKey });
    if (this.#known === null) {
      const input: OpenInput = { tenantId, sessionKey, fresh };
      return store.write<Row | null>('openSessions', input).then((row) => sessionOf(row!), refusalOf);
    }
    // Noted before the run's first entry is; nobody waits for it.
    store.write('addSessions', fresh).catch((error: unknown) => {
      this.#known!.remove(tenantId, sessionKey, fresh.sessionId);
      report(error);
    });
    return this.#known.put(fresh);
  }

  #fresh({ tenantId, sessionKey }: SessionName): Session {
    const { ids, clock } = this.#deps;
    const named = { tenantId, sessionKey, sessionId: ids.next('ses'), agentId: agentOfKey(sessionKey) };
    return Object.freeze(newSession(named, clock.now()));
  }

  #load(name: SessionName): Promise<Session | null> {
    const key = nameOf(name);
    // Where others write too, whoever asks now must not get what was read before.
    const under = this.#known === null ? undefined : this.#loading.get(key);
    if (under !== undefined) return under;
    const input: OpenInput = { ...name, fresh: null };
    const load = this.#deps.store
      .write<Row | null>('openSessions', input)
      .then((row) => {
        if (row === null) return null;
        const session = sessionOf(row);
        return this.#known?.put(session) ?? session;
      }, refusalOf)
      .finally(() => this.#loading.delete(key));
    if (this.#known !== null) this.#loading.set(key, load);
    return load;
  }

  async #viewed(sessions: readonly Session[]): Promise<SessionView[]> {
    const totals = new Map<string, SessionUsage>();
    const lasts = new Map<string, RunUsage>();
    for (const [tenantId, own] of Map.groupBy(sessions, (session) => session.tenantId)) {
      const runIds = own.flatMap(({ lastRunId }) => lastRunId ?? []);
      const [ofSessions, ofRuns] = await Promise.all([
        this.#deps.usage.ofSessions(tenantId, own),
        this.usageOfRuns(tenantId, runIds),
      ]);
      for (const { sessionId, lastRunId } of own) {
        totals.set(sessionId, ofSessions.get(sessionId) ?? NOTHING_USED);
        const last = lastRunId === null ? undefined : ofRuns.get(lastRunId);
        if (last !== undefined) lasts.set(sessionId, last);
      }
    }
    return sessions.map((session) => ({
      ...session,
      usageLast: lasts.get(session.sessionId) ?? null,
      usageTotal: totals.get(session.sessionId)!,
    }));
  }
}

const EXPORT_PAGE = 200;

/** The runs that answered. */
export function runsOf(messages: readonly TranscriptMessage[]): string[] {
  return [...new Set(messages.flatMap(({ role, runId }) => (role === 'assistant' && runId !== null ? [runId] : [])))];
}

const NOTHING_USED: SessionUsage = Object.freeze({
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  reasoning: null,
  total: 0,
  dispatches: 0,
  costNanoUsd: null,
  unpriced: 0,
  notReported: 0,
});

/** A database that is away is a refusal; everything else a bug. */
function refusalOf(error: unknown): never {
  if (!(error instanceof StoreUnavailable)) throw error;
  throw new GatewayError(
    'ledger_unavailable',
    'The database that holds the sessions cannot be used now; calls resume by themselves.',
    { retryAfterSeconds: 1 },
  );
}
