/**
 * Brings one endpoint its messages while this gateway holds its lease: new ones in the log's order, several at once, and those
 * that failed when their time has come. One loop decides what begins next; each attempt ends in the keeper. Nothing is queued
 * here: what cannot go now stays in the log or in its row.
 */
import type { WebhookEndpoint } from '../domain/webhook.ts';
import type { Hold } from '../events/follower.ts';
import type { EventLog } from '../events/log.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { Breaker } from './breaker.ts';
import { DueMessages } from './due.ts';
import { FreshMessages } from './fresh.ts';
import { AttemptKeeper } from './keeper.ts';
import { type Message, outgoing } from './message.ts';
import { delayAfter } from './schedule.ts';
import type { Outcome, Sender } from './sender.ts';
import { CursorWindow } from './window.ts';

const GONE = 410;
/** Statuses that mean all of the endpoint's messages when they say when to come back. */
const BUSY: ReadonlySet<number> = new Set([429, 503]);
/** Longest pause for all of them. */
const BUSY_MS_MAX = 3_600_000;
/** How long a stop waits for attempts that are under way, so that they need not be repeated. */
const STOP_MS = 1_000;

export interface CourierDeps {
  store: Store;
  log: Pick<EventLog, 'page' | 'at'>;
  /** Calls when the log may hold more for the endpoint; gives the way to stop it. */
  watch: (listener: () => void) => () => void;
  clock: Clock;
  sender: Pick<Sender, 'send'>;
  /** In [0, 1). */
  random: () => number;
  onDisabled: (reason: string) => void;
  onDead: (deliveryId: string, reason: string) => void;
  report: (error: unknown) => void;
}

/** How an endpoint is doing, as the gateway that runs it knows. */
export interface CourierView {
  inFlight: number;
  isOpen: boolean;
}

export class Courier {
  readonly #deps: CourierDeps;
  readonly #endpoint: WebhookEndpoint;
  readonly #window: CursorWindow;
  readonly #fresh: FreshMessages;
  readonly #due: DueMessages;
  readonly #keeper: AttemptKeeper;
  readonly #breaker: Breaker;
  readonly #ended = new AbortController();
  readonly #cut = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #isEnding = false;
  #failure: Error | null = null;
  #busyUntil = 0;
  #prefersDue = false;
  #wake: (() => void) | null = null;
  #wasWoken = false;

  /** `tenantId` is the endpoint's key in the tables. */
  constructor(deps: CourierDeps, endpoint: WebhookEndpoint, tenantId: string, { seq, fence }: Hold) {
    const { store, log, clock } = deps;
    this.#deps = deps;
    this.#endpoint = endpoint;
    this.#window = new CursorWindow(seq);
    this.#breaker = new Breaker(endpoint.firstMs);
    this.#fresh = new FreshMessages({
      log,
      endpoint,
      window: this.#window,
      now: () => clock.monotonic(),
      isEnding: () => this.#isEnding,
      onSkipped: () => this.#keeper.progressed(),
    });
    this.#due = new DueMessages({ store, log, endpoint, tenantId, now: () => clock.now() });
    this.#keeper = new AttemptKeeper({
      store,
      tenantId,
      endpointId: endpoint.id,
      fence,
      window: this.#window,
      now: () => clock.now(),
      onRecorded: (ids) => {
        if (ids.length > 0) this.#due.recorded(ids);
        this.#rouse();
      },
      onLost: (error) => {
        this.#failure = error;
        this.#ended.abort();
      },
    });
  }

  get view(): CourierView {
    return { inFlight: this.#underWay.size, isOpen: this.#breaker.isOpen };
  }

  /** Until the signal fires, the lease goes to another, or the endpoint says that it is gone. Rejects when it cannot go on. */
  async run(signal: AbortSignal): Promise<void> {
    const ending = AbortSignal.any([signal, this.#ended.signal]);
    ending.addEventListener('abort', () => {
      this.#isEnding = true;
      this.#rouse();
    });
    this.#isEnding = ending.aborted;
    const stopWatching = this.#deps.watch(() => {
      this.#fresh.noteAppend();
      this.#rouse();
    });
    try {
      await this.#loop(ending);
    } finally {
      stopWatching();
      await this.#letEnd();
      await this.#keeper.close();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  async #loop(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      const blockedMs = this.#blockedMs();
      if (blockedMs > 0) {
        await this.#rest(blockedMs);
        continue;
      }
      const cursor = this.#window.cursor;
      const message = await this.#next();
      if (this.#window.cursor > cursor) this.#keeper.progressed();
      if (message === null) await this.#rest(Math.min(this.#due.waitMs(), this.#fresh.waitMs()));
      else if (!ending.aborted) this.#begin(message);
    }
  }

  /** Milliseconds until another attempt may begin; infinite: until something ends. */
  #blockedMs(): number {
    if (this.#underWay.size >= this.#endpoint.concurrency || this.#keeper.isFull) return Number.POSITIVE_INFINITY;
    const now = this.#deps.clock.monotonic();
    // In strict order there is one schedule, that of the oldest: a breaker beside it would only hide when it is tried.
    const breakerMs = this.#endpoint.ordered ? 0 : this.#breaker.waitMs(now);
    return Math.max(breakerMs, this.#busyUntil - now);
  }

  /** New ones and those that failed take turns, so that neither can hold the other back. */
  async #next(): Promise<Message | null> {
    if (this.#endpoint.ordered) {
      return (await this.#due.next()) ?? (this.#due.holdsOthers ? null : await this.#fresh.next());
    }
    this.#prefersDue = !this.#prefersDue;
    if (this.#prefersDue) return (await this.#due.next()) ?? this.#fresh.next();
    return (await this.#fresh.next()) ?? this.#due.next();
  }

  #begin(message: Message): void {
    this.#breaker.began();
    const attempt = this.#attempt(message).finally(() => {
      this.#underWay.delete(attempt);
      this.#rouse();
    });
    this.#underWay.add(attempt);
  }

  async #attempt(message: Message): Promise<void> {
    const outcome = await this.#outcomeOf(message);
    // Given up by us: it stays where it is, and whoever runs the endpoint next begins with it.
    if (outcome === null) return;
    if (outcome.kind === 'delivered') this.#delivered(message);
    else this.#failed(message, outcome);
    if (message.span !== null) this.#window.settle(message.span);
  }

  /** Null: given up by us. */
  async #outcomeOf(message: Message): Promise<Outcome | null> {
    const { sender, clock, report } = this.#deps;
    if (message.events.length === 0) return failure('its event is no longer in the log');
    const nowMs = (): number => clock.now();
    try {
      return await sender.send(outgoing(message, this.#endpoint, nowMs()), this.#cut.signal, nowMs);
    } catch (error) {
      // A bug of ours with one event must not end the endpoint.
      report(error);
      return failure('it could not be put into words; see the log');
    }
  }

  #delivered({ id, span }: Message): void {
    this.#breaker.succeeded();
    this.#keeper.delivered(id, span === null);
  }

  #failed({ id, events, attempts: before, span }: Message, outcome: Extract<Outcome, { kind: 'failed' }>): void {
    const { clock, random, onDead, onDisabled } = this.#deps;
    const { status, reason } = outcome;
    this.#breaker.failed(clock.monotonic());
    this.#holdAll(outcome);
    const attempts = before + 1;
    const delayMs = events.length === 0 ? null : delayAfter(attempts, this.#endpoint.firstMs, random());
    const nextAt = clock.now() + Math.max(delayMs ?? 0, outcome.retryAfterMs ?? 0);
    if (delayMs === null) onDead(id, reason);
    else this.#due.noteFailure(id, nextAt);
    const seqs = events.map(({ seq }) => seq);
    this.#keeper.failed({
      id,
      seqs: seqs.length > 0 ? seqs : [span?.after ?? 0],
      attempts,
      isDead: delayMs === null,
      nextAt,
      status,
      reason,
    });
    if (status !== GONE) return;
    this.#keeper.disable('the receiver answered 410: it wants no more');
    onDisabled('the receiver answered 410: it wants no more');
    this.#ended.abort();
  }

  #holdAll({ status, retryAfterMs }: Extract<Outcome, { kind: 'failed' }>): void {
    if (status === null || retryAfterMs === null || !BUSY.has(status)) return;
    const until = this.#deps.clock.monotonic() + Math.min(retryAfterMs, BUSY_MS_MAX);
    this.#busyUntil = Math.max(this.#busyUntil, until);
  }

  /** Attempts under way may end, so that what was delivered is known; what takes longer is cut and repeated. */
  async #letEnd(): Promise<void> {
    const timer = setTimeout(() => this.#cut.abort(), STOP_MS);
    await Promise.all(this.#underWay);
    clearTimeout(timer);
  }

  #rouse(): void {
    this.#wasWoken = true;
    this.#wake?.();
  }

  /** Until something happens, or the time is up. */
  async #rest(ms: number): Promise<void> {
    if (!this.#wasWoken) {
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(ms) ? setTimeout(resolve, Math.min(ms + 1, 2 ** 31 - 1)) : null;
        this.#wake = () => {
          if (timer !== null) clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = null;
    this.#wasWoken = false;
  }
}

function failure(reason: string): Outcome {
  return { kind: 'failed', status: null, reason, retryAfterMs: null };
}
