/**
 * Events on their way to one plugin: in order within a session, several sessions at once, each until it was handled or
 * set aside. The cursor follows behind the oldest that is not done, so that what was in flight when the program died comes
 * again. When a plugin's process dies, what it had in hand is given to it one by one: then it is known which event kills it.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventEnvelope } from '@weighbridge/protocol';
import type { PluginLimits } from '../domain/plugin.ts';
import type { Plugin } from './plugin.ts';

/** Events that are not done; more are read only when there is room. */
const WINDOW = 256;
/** Pause after the first failure on an event; each is four times the last. */
const RETRY_MS = 100;
/** Mere progress past events that the plugin does not want is written at most this often: losing it costs only reading. */
const PASSED_MS = 500;
/** Between two writes of the cursor while events keep coming: what a crash loses of it comes again. */
const MOVE_MS = 50;

export interface SetAside {
  event: EventEnvelope;
  failures: number;
  reason: string;
}

export interface DeliveryDeps {
  plugin: Pick<Plugin, 'perform' | 'isRunning' | 'whenRunning'>;
  limits: Pick<PluginLimits, 'failuresMax' | 'concurrentMax'>;
  onDelivered: () => void;
  /** The event is written down as set aside before the cursor passes it. */
  setAside: (event: SetAside) => Promise<void>;
  /** One that was set aside before was replayed well. */
  forget: (event: EventEnvelope) => Promise<void>;
  /** False: another runs this follower now. */
  moveCursor: (seq: number) => Promise<boolean>;
  signal: AbortSignal;
  retryMs?: number;
}

interface Place {
  seq: number;
  isDone: boolean;
  /** Nothing between it and the place before is wanted; it stands for no event. */
  isPassed: boolean;
  /** It was set aside before; the cursor has long passed it. */
  isReplay: boolean;
}

export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #places: Place[] = [];
  #passing: NodeJS.Timeout | null = null;
  /** The last of each session that is on its way. */
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #suspects = new Set<Place>();
  #handling = 0;
  #waiting: (() => void)[] = [];
  #onRoom: (() => void) | null = null;
  #doneTo = 0;
  #movedTo = 0;
  #moving: Promise<void> | null = null;
  #hasFailed = false;
  readonly #failed = Promise.withResolvers<never>();
  readonly #ended = new AbortController();

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
    this.#failed.promise.catch(() => {});
    // Every event of the window may wait for it.
    setMaxListeners(0, this.#ended.signal);
    deps.signal.addEventListener('abort', () => this.stop(), { once: true, signal: this.#ended.signal });
    if (deps.signal.aborted) this.stop();
  }

  /** Takes the event; resolves when there is room for another. Rejects when the cursor is lost or cannot be moved. */
  async take(event: EventEnvelope, isReplay = false): Promise<void> {
    const place: Place = { seq: event.seq, isDone: false, isPassed: false, isReplay };
    this.#places.push(place);
    const key = laneOf(event);
    const before = this.#lanes.get(key) ?? Promise.resolve();
    const own = before.then(() => this.#deliver(event, place)).catch((error: unknown) => this.#fail(error));
    this.#lanes.set(key, own);
    void own.then(() => {
      if (this.#lanes.get(key) === own) this.#lanes.delete(key);
    });
    // No race: a promise that is raced again and again keeps every race.
    if (this.#places.length >= WINDOW && !this.#ended.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
    }
    if (this.#hasFailed) await this.#failed.promise;
  }

  /** The log was read up to here, and what is wanted of it was taken. */
  passed(seq: number): void {
    const last = this.#places.at(-1);
    if (last?.isPassed) last.seq = seq;
    else if (seq > (last?.seq ?? this.#doneTo)) {
      this.#places.push({ seq, isDone: true, isPassed: true, isReplay: false });
    }
    if (this.#ended.signal.aborted) return;
    this.#passing ??= setTimeout(() => {
      this.#passing = null;
      this.#advance();
    }, PASSED_MS);
  }

  /** Rejects as soon as something stops it. */
  get failure(): Promise<never> {
    return this.#failed.promise;
  }

  /** Resolves when everything taken is done and the cursor is behind it; or at the signal. */
  async settled(): Promise<void> {
    await Promise.race([Promise.all(this.#lanes.values()), this.#failed.promise]);
    await Promise.race([this.#moving, this.#failed.promise]);
  }

  /** No event is begun any more. */
  stop(): void {
    if (this.#passing !== null) clearTimeout(this.#passing);
    this.#ended.abort();
    this.#giveRoom();
  }

  async #deliver(event: EventEnvelope, place: Place): Promise<void> {
    const { plugin, limits, retryMs = RETRY_MS } = this.#deps;
    const { signal } = this.#ended;
    let failures = 0;
    let reason = '';
    while (failures < limits.failuresMax) {
      if (!plugin.isRunning) await Promise.race([plugin.whenRunning(), aborted(signal)]);
      await this.#slot();
      if (signal.aborted) return this.#release();
      const end = await plugin.perform({ kind: 'event', event, delivery: failures + 1 });
      if (end.end === 'died' && !end.alone) this.#suspects.add(place);
      this.#release();
      if (end.end === 'done') {
        this.#deps.onDelivered();
        if (place.isReplay) await this.#deps.forget(event);
        return this.#done(place);
      }
      if (signal.aborted) return;
      if (end.end === 'died' && !end.alone) continue;
      failures++;
      reason = end.text;
      // It is not known any more whether it kills; the others wait no longer for that.
      if (end.end !== 'died') this.#suspects.delete(place);
      if (failures < limits.failuresMax) await pause(retryMs * 4 ** (failures - 1), signal);
    }
    await this.#deps.setAside({ event, failures, reason });
    this.#done(place);
  }

  /** While it is not known which event killed the process, one at a time. */
  async #slot(): Promise<void> {
    while (this.#handling >= (this.#suspects.size > 0 ? 1 : this.#deps.limits.concurrentMax)) {
      if (this.#ended.signal.aborted) break;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#handling++;
  }

  #release(): void {
    this.#handling--;
    for (const go of this.#waiting.splice(0)) go();
  }

  #done(place: Place): void {
    place.isDone = true;
    this.#suspects.delete(place);
    this.#advance();
    if (this.#places.length < WINDOW) this.#giveRoom();
  }

  #advance(): void {
    while (this.#places[0]?.isDone) {
      const { seq, isReplay } = this.#places.shift()!;
      if (!isReplay) this.#doneTo = seq;
    }
    if (this.#doneTo > this.#movedTo) this.#moving ??= this.#move();
  }

  #giveRoom(): void {
    this.#onRoom?.();
    this.#onRoom = null;
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#failed.reject(error);
    this.#giveRoom();
  }

  /** One move at a time; what is done meanwhile, and in a moment after it, is in the next. */
  async #move(): Promise<void> {
    try {
      while (this.#doneTo > this.#movedTo) {
        const seq = this.#doneTo;
        if (!(await this.#deps.moveCursor(seq))) throw new CursorLost();
        this.#movedTo = seq;
        await pause(MOVE_MS, this.#ended.signal);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#moving = null;
    }
  }
}

/** Another gateway runs the follower, or somebody put its cursor elsewhere. */
export class CursorLost extends Error {}

/** What must stay in order. */
function laneOf({ seq, data }: EventEnvelope): string {
  const { tenantId, sessionKey, runId } = (data ?? {}) as { tenantId?: string; sessionKey?: string; runId?: string };
  return JSON.stringify([tenantId, sessionKey ?? runId ?? seq]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // An abort ends the wait; the caller looks at the signal itself.
  await sleep(ms, null, { signal }).catch(() => {});
}
