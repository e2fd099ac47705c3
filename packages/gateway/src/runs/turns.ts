/**
 * Turns of sessions, as the WebSocket door starts them: lane, snapshot, run, transcript. One at a time for each session,
 * in the order of coming; what comes again under its idempotency key joins the first or gets its result. A turn is told
 * whole: whatever happens to it, it ends once, with all the text there was and with what the ledger counted.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunInFlight } from '@weighbridge/protocol';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { type IdSource, siblingId } from '../lib/ids.ts';
import { keptText } from '../sessions/kept-text.ts';
import type { Lease, SessionLeases } from '../sessions/leases.ts';
import type { NewMessage, RunUsage, Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { Lanes, type Place } from './lanes.ts';
import type { OnAdmitted } from './start-run.ts';
import type { TurnEvent, TurnFact, TurnRequest, TurnResult, TurnsAsked, TurnTicket } from './turn.ts';
import { TurnAnswer } from './turn-answer.ts';
import { callOfTurn } from './turn-call.ts';
import { type EndReason, errorOf, refusalOf, wireError } from './turn-ends.ts';
import { namesOfTurn, type TurnNames } from './turn-names.ts';
import { TurnRecords, ticketOf } from './turn-records.ts';

export interface TurnsDeps {
  runs: {
    readonly draining: boolean;
    start(call: Call, sink: AnswerSink, callerGone: AbortSignal, onAdmitted?: OnAdmitted): Promise<void>;
    stop(runId: string): boolean;
  };
  sessions: Pick<Sessions, 'open' | 'patch' | 'history' | 'append' | 'usageOfRuns'>;
  leases: Pick<SessionLeases, 'hold'>;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  config: Pick<GatewayConfig, 'agents' | 'limits' | 'sessions'>;
  /** Told of what went wrong beside a run: its text could not be kept. */
  report: (error: unknown) => void;
}

/** A turn on its way. */
export interface Turn {
  readonly runId: string;
  readonly request: TurnRequest;
  readonly names: TurnNames;
  readonly acceptedAt: number;
  readonly place: Place;
  /** Fires when it must end: an abort, its time, a lane that went to another gateway, the end of the program. */
  readonly end: AbortController;
  readonly done: PromiseWithResolvers<TurnResult>;
  /** Resolves when its session is there. */
  opened: Promise<void>;
  session: Session | null;
  /** Null until the run is admitted. */
  run: { runId: string; view: () => RunInFlight } | null;
  startedAt: number | null;
  seq: number;
}

const NEVER = new AbortController().signal;

export class Turns {
  readonly #deps: TurnsDeps;
  readonly #lanes: Lanes;
  readonly #records: TurnRecords;
  readonly #events = new EventEmitter();

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
    this.#lanes = new Lanes(() => deps.config.limits.laneTurnsMax);
    this.#records = new TurnRecords(() => deps.config.limits, deps.clock);
    this.#events.setMaxListeners(0);
  }

  /** Throws GatewayError, before or after the turn has its place; then there is no turn. */
  async start(request: TurnRequest): Promise<TurnTicket> {
    const runId = request.idempotencyKey ?? this.#deps.ids.next('run');
    const known = this.#records.find(request, runId);
    if (known !== null) return known;
    const turn = this.#accept(request, runId);
    try {
      await turn.opened;
    } catch (error) {
      turn.place.leave();
      this.#records.forget(turn);
      turn.done.reject(error);
      throw error;
    }
    void this.#play(turn);
    return ticketOf(turn, 'accepted');
  }

  /** Ends what runs or waits in a session, or one run of it, at once. Gives the ids of those that it ended. */
  abort(which: TurnsAsked): string[] {
    return this.#ending(which).map(({ runId }) => runId);
  }

  /** Resolves when nothing of them is written any more, or after that time. */
  async endAll(which: TurnsAsked, timeoutMs: number): Promise<void> {
    const over = this.#ending(which).map(({ done }) => done.promise.catch(() => {}));
    await Promise.race([Promise.all(over), sleep(timeoutMs, null, { ref: false })]);
  }

  #ending({ tenantId, sessionKey, runId }: TurnsAsked): Turn[] {
    const ended = this.#records
      .live()
      .filter(({ request, names }) => request.caller.tenantId === tenantId && names.sessionKey === sessionKey)
      .filter((turn) => (runId === undefined || turn.runId === runId) && !turn.end.signal.aborted);
    for (const turn of ended) turn.end.abort('aborted' satisfies EndReason);
    return ended;
  }

  /** Null: it had not ended in that time, or nobody started it. */
  async wait({ tenantId, runId }: { tenantId: string; runId: string }, timeoutMs: number): Promise<TurnResult | null> {
    const ended = this.#records.result(tenantId, runId);
    if (ended !== null) return ended;
    const { promise, resolve } = Promise.withResolvers<TurnResult | null>();
    const hear = (event: TurnEvent): void => {
      if (event.type === 'ended' && event.runId === runId && event.tenantId === tenantId) resolve(event.result);
    };
    const stop = this.onEvent(hear);
    const timer = setTimeout(() => resolve(null), timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  /** What runs or waits now, by session. */
  live(tenantId: string, sessionKey: string): { runId: string; startedAt: number | null }[] {
    return this.#records
      .live()
      .filter(({ request, names }) => request.caller.tenantId === tenantId && names.sessionKey === sessionKey)
      .map(({ runId, startedAt }) => ({ runId, startedAt }));
  }

  /** In which session a turn is that runs or waits under that id; null: none does. */
  sessionOf(tenantId: string, runId: string): string | null {
    const turn = this.#records.live().find((own) => own.runId === runId && own.request.caller.tenantId === tenantId);
    return turn?.names.sessionKey ?? null;
  }

  /** Calls with everything that happens to any turn, in order; returns what ends it. */
  onEvent(listener: (event: TurnEvent) => void): () => void {
    this.#events.on('event', listener);
    return () => this.#events.off('event', listener);
  }

  /** Ends those that wait; those that run have until `Runs.drain` ends them. Resolves when all have ended. */
  async drain(): Promise<void> {
    const live = this.#records.live();
    for (const turn of live) if (turn.startedAt === null) turn.end.abort('draining' satisfies EndReason);
    await Promise.all(live.map(({ done }) => done.promise.catch(() => {})));
  }

  #accept(request: TurnRequest, runId: string): Turn {
    const { runs, config, clock } = this.#deps;
    if (runs.draining) throw refusalOf('draining');
    if (this.#records.liveCount >= config.limits.turnsMax) {
      const text = 'As many turns are on their way as `limits.turnsMax` allows; send it later.';
      throw new GatewayError('overloaded', text, { retryAfterSeconds: 1 });
    }
    const names = namesOfTurn(request, runId, config);
    const place = this.#lanes.enter(JSON.stringify([request.caller.tenantId, names.sessionKey]));
    const turn: Turn = {
      runId,
      request,
      names,
      place,
      acceptedAt: clock.now(),
      end: new AbortController(),
      done: Promise.withResolvers(),
      opened: this.#open(request, names).then((session) => {
        turn.session = session;
      }),
      session: null,
      run: null,
      startedAt: null,
      seq: 0,
    };
    turn.done.promise.catch(() => {});
    this.#records.add(turn);
    return turn;
  }

  async #open({ caller }: TurnRequest, { sessionKey }: TurnNames): Promise<Session> {
    return this.#deps.sessions.open(caller.tenantId, sessionKey);
  }

  async #play(turn: Turn): Promise<void> {
    const { limits } = this.#deps.config;
    const { caller, timeoutMs } = turn.request;
    const ms = timeoutMs ?? limits.turnTimeoutMs;
    const timer = ms > 0 ? setTimeout(() => turn.end.abort('turn_timeout' satisfies EndReason), ms) : null;
    const answer = new TurnAnswer(
      {
        onHead: () => this.#sayModel(turn),
        onText: (delta) => this.#say(turn, { type: 'delta', delta, text: answer.text }),
        // Not in the middle of a write.
        onTooLong: () => queueMicrotask(() => turn.end.abort('too_long' satisfies EndReason)),
      },
      limits,
    );
    let lease: Lease | null = null;
    let refused: unknown = null;
    try {
      await untilAborted(turn.place.turn, turn.end.signal);
      lease = await this.#deps.leases.hold(
        { tenantId: caller.tenantId, sessionKey: turn.names.sessionKey },
        turn.end.signal,
      );
      const onLost = (): void => turn.end.abort('lane_lost' satisfies EndReason);
      if (lease.holder !== null) lease.lost.addEventListener('abort', onLost, { once: true });
      await this.#run(turn, answer);
    } catch (error) {
      refused = error;
    }
    if (timer !== null) clearTimeout(timer);
    const result = await this.#resultOf(turn, answer, refused);
    const kept = await this.#keep(turn, answer, result, lease);
    await lease?.release();
    this.#finish(turn, { ...result, ...kept });
  }

  async #run(turn: Turn, answer: TurnAnswer): Promise<void> {
    const { runs, sessions, clock, config } = this.#deps;
    const { request, names, end } = turn;
    const { tenantId } = request.caller;
    turn.startedAt = clock.now();
    this.#say(turn, { type: 'started', startedAt: turn.startedAt });
    const { contextMessagesMax, contextBytesMax } = config.sessions;
    const now = await sessions.open(tenantId, names.sessionKey);
    const said =
      contextMessagesMax === 0
        ? null
        : await sessions.history(tenantId, names.sessionKey, {
            limit: contextMessagesMax,
            after: now.resetSeq,
            // As JSON a text may be longer than it is.
            charsMax: 4 * contextBytesMax,
          });
    // One that has ended must not make a session that was deleted meanwhile.
    end.signal.throwIfAborted();
    // The snapshot comes last: nothing is awaited between it and the run's admission.
    const session =
      request.outboundHeaders === undefined
        ? await sessions.open(tenantId, names.sessionKey)
        : await sessions.patch(tenantId, names.sessionKey, { outboundHeaders: request.outboundHeaders });
    turn.session = session;
    end.signal.throwIfAborted();
    const context = { session, said, bytesMax: contextBytesMax };
    const call = callOfTurn(request, names.agent.id, names.headers, context);
    const stop = (): void => void (turn.run !== null && runs.stop(turn.run.runId));
    end.signal.addEventListener('abort', stop, { once: true });
    await runs.start(call, answer, NEVER, (run) => {
      turn.run = run;
      if (end.signal.aborted) queueMicrotask(stop);
    });
    end.signal.removeEventListener('abort', stop);
  }

  async #resultOf(turn: Turn, answer: TurnAnswer, refused: unknown): Promise<TurnResult> {
    const { clock } = this.#deps;
    const reason = turn.end.signal.aborted ? (turn.end.signal.reason as EndReason) : null;
    const error = refused === null || reason !== null ? answer.error : errorOf(refused, this.#deps.report);
    const isStopped = reason === null && answer.refusal?.code === 'draining';
    const isAborted = isStopped || reason === 'aborted' || reason === 'draining';
    const isOver = reason === null && error === null;
    const timedOut = reason === null || isAborted ? error : wireError(refusalOf(reason));
    return {
      runId: turn.runId,
      sessionKey: turn.names.sessionKey,
      sessionId: turn.session!.sessionId,
      agentId: turn.names.agent.id,
      outcome: isOver ? 'completed' : isAborted ? 'aborted' : 'failed',
      text: answer.text,
      usage: await this.#usageOf(turn),
      stopReason: isOver ? (answer.stopReason ?? 'stop') : isAborted ? 'aborted' : 'error',
      error: isOver || isAborted ? null : timedOut,
      provider: turn.run?.view().provider ?? null,
      model: turn.run?.view().model ?? null,
      ledgerRunId: turn.run?.runId ?? null,
      dispatchId: answer.dispatchId,
      startedAt: turn.startedAt,
      endedAt: clock.now(),
      messageId: null,
      replyId: null,
    };
  }

  /** What the ledger has settled, and nothing else: a stream may say what it likes. */
  async #usageOf({ run, request }: Turn): Promise<RunUsage | null> {
    if (run === null) return null;
    try {
      const used = await this.#deps.sessions.usageOfRuns(request.caller.tenantId, [run.runId]);
      return used.get(run.runId) ?? null;
    } catch (error) {
      this.#deps.report(error);
      return null;
    }
  }

  /** The transcript has what was said, and what of the answer came; a failure without a word is not in it. */
  async #keep(
    turn: Turn,
    answer: TurnAnswer,
    { outcome, text, stopReason }: TurnResult,
    lease: Lease | null,
  ): Promise<Pick<TurnResult, 'messageId' | 'replyId'>> {
    const nothing = { messageId: null, replyId: null };
    const { run, request, session } = turn;
    if (run === null || session === null) return nothing;
    const { sessions, config, clock, report } = this.#deps;
    const max = config.sessions.messageBytesMax;
    const [messageId, replyId] = [siblingId(run.runId, 'msg'), siblingId(run.runId, 'rep')];
    const asked: NewMessage = {
      role: 'user',
      ...keptText(request.message, max),
      ...(request.idempotencyKey === null ? {} : { idempotencyKey: request.idempotencyKey }),
      ...(request.attachments?.length ? { omitted: request.attachments.length } : {}),
    };
    const said: NewMessage = {
      role: 'assistant',
      ...keptText(text, max),
      outcome,
      stopReason,
      ...(answer.omitted > 0 ? { omitted: answer.omitted } : {}),
    };
    const hasReply = text !== '' || outcome === 'completed';
    const messages = [
      ...(hasReply || outcome === 'aborted' ? [{ ...asked, messageId, at: turn.startedAt!, runId: run.runId }] : []),
      ...(hasReply ? [{ ...said, messageId: replyId, at: clock.now(), runId: run.runId }] : []),
    ];
    try {
      const appended = await sessions.append({
        tenantId: request.caller.tenantId,
        sessionKey: session.sessionKey,
        sessionId: session.sessionId,
        laneHolder: lease?.holder ?? null,
        runId: run.runId,
        startedAt: turn.startedAt!,
        outcome,
        messages,
      });
      // Its session was deleted while it ran, and what it said goes with it.
      if (appended.kind === 'absent') return nothing;
      if (appended.kind !== 'appended') throw new Error(`a turn's text was not kept: ${appended.kind}`);
      return { messageId: messages.length > 0 ? messageId : null, replyId: hasReply ? replyId : null };
    } catch (error) {
      report(error);
      return nothing;
    }
  }

  #finish(turn: Turn, result: TurnResult): void {
    if (result.usage !== null) this.#say(turn, { type: 'usage', usage: result.usage });
    this.#records.ended(turn, result);
    this.#say(turn, { type: 'ended', result });
    turn.done.resolve(result);
    turn.place.leave();
  }

  #sayModel(turn: Turn): void {
    const { provider, model } = turn.run!.view();
    this.#say(turn, { type: 'model', provider, model });
  }

  #say(turn: Turn, fact: TurnFact): void {
    const { runId, names, request, session } = turn;
    const event: TurnEvent = {
      runId,
      sessionKey: names.sessionKey,
      sessionId: session!.sessionId,
      agentId: names.agent.id,
      tenantId: request.caller.tenantId,
      door: request.door,
      seq: ++turn.seq,
      ts: this.#deps.clock.now(),
      ...fact,
    };
    this.#events.emit('event', event);
  }
}

async function untilAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([turn, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
