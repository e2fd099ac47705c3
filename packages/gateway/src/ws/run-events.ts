/**
 * What happens to turns, told as OpenClaw's `agent` and `chat` events to whoever of the tenant may hear it. Text is sent
 * no more often than it must: pieces that come meanwhile go out together, the seldomer the longer the text is and the
 * more are listening. Nothing here can hold a turn up.
 */
import type { TurnEvent, TurnResult } from '../runs/turn.ts';
import { type Audience, type Hub, mayHear } from './hub.ts';
import { spokenMessage } from './session-shapes.ts';
import { detailsOf, receiptOf, replyOf, runUsage, stopReasonOf } from './turn-answers.ts';

/** An event repeats the whole text: this many of its characters take one more millisecond until the next. */
const CHARACTERS_PER_MS = 200;
/** So much of the event loop one listener may cost: it is the time between two events. */
const MS_PER_LISTENER = 0.2;

interface Telling {
  seq: number;
  text: string;
  /** How much of the text was told. */
  told: number;
  toldAt: number;
  timer: NodeJS.Timeout | null;
  last: TurnEvent;
  isModelTold: boolean;
}

export interface RunEventsDeps {
  hub: Pick<Hub, 'broadcast' | 'forget' | 'size' | 'isBusy'>;
  deltaIntervalMs: () => number;
}

export class RunEvents {
  readonly #deps: RunEventsDeps;
  readonly #tellings = new Map<string, Telling>();

  constructor(deps: RunEventsDeps) {
    this.#deps = deps;
  }

  take(event: TurnEvent): void {
    const name = JSON.stringify([event.tenantId, event.sessionKey, event.runId]);
    const telling = this.#tellings.get(name) ?? begun(event);
    this.#tellings.set(name, telling);
    telling.last = event;
    switch (event.type) {
      case 'started':
        this.#started(telling, event, event.startedAt);
        return;
      case 'model':
        if (telling.isModelTold) return;
        telling.isModelTold = true;
        this.#agent(telling, event, 'lifecycle', { phase: 'model', provider: event.provider, model: event.model });
        return;
      case 'delta':
        telling.text = event.text;
        this.#schedule(telling);
        return;
      case 'usage':
        this.#flush(telling);
        this.#agent(telling, event, 'usage', { outputTokens: event.usage.output, ...runUsage(event.usage) });
        return;
      default:
        this.#tellings.delete(name);
        this.#flush(telling);
        this.#ended(telling, event, event.result);
    }
  }

  close(): void {
    for (const { timer } of this.#tellings.values()) if (timer !== null) clearTimeout(timer);
    this.#tellings.clear();
  }

  #started(telling: Telling, event: TurnEvent, startedAt: number): void {
    this.#agent(telling, event, 'lifecycle', { phase: 'start', startedAt });
    if (event.door === 'agent') return;
    this.#agent(telling, event, 'run_status', { phase: 'starting_model' });
    this.#chat(telling, event, { state: 'status', phase: 'starting_model' });
  }

  #schedule(telling: Telling): void {
    if (telling.timer !== null) return;
    const { deltaIntervalMs, hub } = this.#deps;
    const intervalMs = Math.max(deltaIntervalMs(), telling.text.length / CHARACTERS_PER_MS, hub.size * MS_PER_LISTENER);
    const waitMs = telling.toldAt + intervalMs - performance.now();
    if (waitMs <= 0 && !hub.isBusy) {
      this.#flush(telling);
      return;
    }
    telling.timer = setTimeout(
      () => {
        telling.timer = null;
        if (hub.isBusy) this.#schedule(telling);
        else this.#flush(telling);
      },
      Math.max(waitMs, 1),
    ).unref();
  }

  #flush(telling: Telling): void {
    if (telling.timer !== null) clearTimeout(telling.timer);
    telling.timer = null;
    const { text, told, last } = telling;
    if (text.length === told) return;
    telling.told = text.length;
    telling.toldAt = performance.now();
    const delta = text.slice(told);
    const { runId, ts } = last;
    const itemId = `${runId}:1`;
    this.#agent(telling, last, 'assistant', { text, delta, itemId }, { text, delta: text, replace: true, itemId });
    const message = spokenMessage(text, ts);
    const whole = { state: 'delta', deltaText: text, replace: true, message };
    this.#chat(telling, last, { state: 'delta', deltaText: delta, message }, whole);
  }

  #ended(telling: Telling, event: TurnEvent, result: TurnResult): void {
    const { outcome, startedAt, endedAt, text } = result;
    const stopReason = stopReasonOf(result);
    const usage = result.usage === null ? {} : { usage: runUsage(result.usage) };
    const ends = { ...(startedAt === null ? {} : { startedAt }), endedAt };
    if (outcome === 'aborted') {
      this.#chat(telling, event, { state: 'aborted', stopReason, message: spokenMessage(text, endedAt) });
      this.#agent(telling, event, 'lifecycle', {
        ...{ phase: 'end', status: 'cancelled', aborted: true, stopReason },
        ...{ ...ends, ...usage },
      });
    } else if (outcome === 'failed') {
      const error = result.error?.message ?? 'the run failed';
      const observed = observation(result);
      this.#agent(telling, event, 'lifecycle', {
        phase: 'error',
        error,
        errorObservation: observed,
        ...ends,
        ...usage,
      });
      this.#chat(telling, event, { state: 'error', errorMessage: error, ...errorFields(result), ...usage });
    } else {
      this.#agent(telling, event, 'lifecycle', {
        ...{ phase: 'end', ...ends, aborted: false, stopReason, executionSettled: true },
        ...{ terminalReceipt: receiptOf(result), terminalReply: replyOf(text), ...usage },
      });
      this.#chat(telling, event, { state: 'final', stopReason, message: spokenMessage(text, endedAt), ...usage });
    }
    this.#deps.hub.forget(event.tenantId, [`${event.runId} agent`, `${event.runId} chat`]);
  }

  #agent(telling: Telling, event: TurnEvent, stream: string, data: object, whole: object | null = null): void {
    const { runId, sessionKey, sessionId, agentId, ts } = event;
    const seq = ++telling.seq;
    const of = (told: object) => ({ runId, stream, data: told, sessionKey, sessionId, agentId, seq, ts });
    const sparing = whole === null ? {} : { sparing: { name: `${runId} agent`, whole: () => of(whole) } };
    this.#deps.hub.broadcast('agent', of(data), audienceOf(event), sparing);
  }

  /** Has the number of the `agent` event that it goes with. */
  #chat(telling: Telling, event: TurnEvent, told: object, whole: object | null = null): void {
    const { runId, sessionKey, agentId } = event;
    const { seq } = telling;
    const of = (rest: object) => ({ runId, sessionKey, agentId, seq, ...rest });
    const sparing = whole === null ? {} : { sparing: { name: `${runId} chat`, whole: () => of(whole) } };
    this.#deps.hub.broadcast('chat', of(told), audienceOf(event), sparing);
  }
}

function begun(event: TurnEvent): Telling {
  const toldAt = Number.NEGATIVE_INFINITY;
  return { seq: 0, text: '', told: 0, toldAt, timer: null, last: event, isModelTold: false };
}

function audienceOf({ tenantId, agentId }: TurnEvent): Audience {
  return { tenantId, agentId, among: mayHear };
}

function observation({ provider, model, error }: TurnResult): object {
  return { ...(provider === null ? {} : { provider, model }), failoverReason: error?.code ?? 'unknown' };
}

/** OpenClaw's five kinds, where one of them is meant. */
function errorFields(result: TurnResult): object {
  const { error, provider, model } = result;
  const status = error?.status ?? 0;
  const timedOut = error?.code === 'upstream_timeout' || error?.code === 'turn_timeout';
  const errorKind = timedOut ? 'timeout' : status === 429 ? 'rate_limit' : 'unknown';
  const { code } = detailsOf(result);
  return {
    errorKind,
    errorDetail: {
      ...(provider === null ? {} : { provider: provider.slice(0, 300), model: model!.slice(0, 300) }),
      failoverReason: code,
      ...(status >= 100 && status <= 599 ? { httpStatus: status } : {}),
    },
  };
}
