/**
 * Which turns are on their way, and which have ended lately: what comes again under the same key from the same caller
 * joins the first or gets its result, and anything else under that key is refused. Bounded by time, number and bytes.
 */
import { createHash } from 'node:crypto';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { TransientMap } from '../lib/transient-map.ts';
import type { TurnRequest, TurnResult, TurnTicket } from './turn.ts';
import type { Turn } from './turns.ts';

type Limits = Pick<GatewayConfig['limits'], 'idempotencyKeepMs' | 'idempotencyKeysMax' | 'idempotencyBytesMax'>;

interface Ended {
  print: string;
  tenantId: string;
  acceptedAt: number;
  result: TurnResult;
  bytes: number;
  until: number;
}

export class TurnRecords {
  readonly #limits: () => Limits;
  readonly #clock: Clock;
  readonly #live = new TransientMap<string, { turn: Turn; print: string }>();
  /** In the order of their ends. */
  readonly #ended = new Map<string, Ended>();
  #bytes = 0;

  constructor(limits: () => Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  live(): Turn[] {
    return Array.from(this.#live.values(), ({ turn }) => turn);
  }

  /** The turn of that key, null where it is new. Throws `idempotency_mismatch` where it was another request. */
  find(request: TurnRequest, runId: string): Promise<TurnTicket> | null {
    this.#forgetOld();
    const name = nameOf(request, runId);
    const live = this.#live.get(name);
    const ended = this.#ended.get(name);
    const known = live ?? ended;
    if (known === undefined) return null;
    if (known.print !== printOf(request)) {
      throw new GatewayError(
        'idempotency_mismatch',
        'Another request came under this idempotency key; use a new key for each request.',
        { param: 'idempotencyKey' },
      );
    }
    if (live !== undefined) return live.turn.opened.then(() => ticketOf(live.turn, 'in_flight'));
    const { result, acceptedAt } = ended!;
    const { sessionKey, sessionId, agentId } = result;
    const ticket = { runId, sessionKey, sessionId, agentId, acceptedAt, status: 'replayed' as const };
    return Promise.resolve({ ...ticket, done: Promise.resolve(result) });
  }

  /** Of an ended turn, whoever of the tenant started it. */
  result(tenantId: string, runId: string): TurnResult | null {
    this.#forgetOld();
    for (const ended of this.#ended.values()) {
      if (ended.result.runId === runId && ended.tenantId === tenantId) return ended.result;
    }
    return null;
  }

  add(turn: Turn): void {
    this.#live.set(nameOf(turn.request, turn.runId), { turn, print: printOf(turn.request) });
  }

  forget(turn: Turn): void {
    this.#live.take(nameOf(turn.request, turn.runId));
  }

  /** Kept for those who ask again, unless nothing came of it: a refusal before any dispatch may be tried again. */
  ended(turn: Turn, result: TurnResult): void {
    const name = nameOf(turn.request, turn.runId);
    const { print } = this.#live.take(name)!;
    if (result.outcome === 'failed' && result.dispatchId === null) return;
    const until = this.#clock.monotonic() + this.#limits().idempotencyKeepMs;
    const bytes = Buffer.byteLength(result.text);
    const { tenantId } = turn.request.caller;
    this.#ended.set(name, { print, tenantId, acceptedAt: turn.acceptedAt, result, bytes, until });
    this.#bytes += bytes;
    this.#forgetOld();
  }

  #forgetOld(): void {
    const { idempotencyKeysMax, idempotencyBytesMax } = this.#limits();
    const now = this.#clock.monotonic();
    for (const [name, { until, bytes }] of this.#ended) {
      if (until > now && this.#ended.size <= idempotencyKeysMax && this.#bytes <= idempotencyBytesMax) return;
      this.#ended.delete(name);
      this.#bytes -= bytes;
    }
  }
}

export function ticketOf({ runId, names, session, acceptedAt, done }: Turn, status: TurnTicket['status']): TurnTicket {
  const { sessionKey, agent } = names;
  return {
    runId,
    sessionKey,
    sessionId: session!.sessionId,
    agentId: agent.id,
    acceptedAt,
    status,
    done: done.promise,
  };
}

function nameOf({ caller }: TurnRequest, runId: string): string {
  return JSON.stringify([caller.tenantId, caller.keyId, runId]);
}

/** Two requests are one where everything that the model or the session would see is the same. */
function printOf(request: TurnRequest): string {
  const { sessionKey, agentId, message, attachments = [], model, outboundHeaders, extraSystemPrompt } = request;
  const same = [
    sessionKey,
    agentId,
    message,
    attachments,
    model ?? null,
    outboundHeaders ?? null,
    extraSystemPrompt ?? null,
  ];
  return createHash('sha256').update(JSON.stringify(same)).digest('base64');
}
