/**
 * The sockets to webhooks' receivers: one pool for each endpoint. Every address that a name leads to is checked when
 * connecting, and the connection goes to what was checked; redirects are answers like any other; of an answer's body at most
 * 64 KiB are read and none is kept. The only file of this room that opens a connection. Every end is an outcome, never an
 * exception; reasons name codes and rules, never an address or a secret.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import type { Egress, WebhookEndpoint } from '../domain/webhook.ts';
import { addressProblem, portOf, urlProblem } from '../domain/webhook-url.ts';
import { addressBytes } from '../lib/addresses.ts';
import { retryAfterMs } from './schedule.ts';

const ANSWER_BYTES_MAX = 64 * 1024;
/** For a body that nobody reads; beyond it a new connection is cheaper. */
const ANSWER_MS_MAX = 1_000;
const HEAD_BYTES_MAX = 16 * 1024;
const LOOKUP_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Below the five seconds after which many servers close an idle connection. */
const KEEP_ALIVE_MS = 4_000;

export type Outcome =
  | { kind: 'delivered'; status: number }
  | {
      kind: 'failed';
      /** Null: there was no answer. */
      status: number | null;
      reason: string;
      /** What the receiver asked for. */
      retryAfterMs: number | null;
    };

export interface Outgoing {
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface HostAddress {
  address: string;
  family: number;
}

/** Every address of a name. */
export type Resolve = (hostname: string) => Promise<readonly HostAddress[]>;

export interface SenderDeps {
  resolve?: Resolve;
  /** Whether an address and port are the gateway's own listener. */
  isOwn?: (address: string, port: number) => boolean;
}

export class Sender {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #timeoutMs: number;
  /** Why nothing is sent there; asked each time, because where we listen is known only after the first were made. */
  readonly #problem: () => string | null;

  constructor({ url: text, egress, timeoutMs, concurrency }: WebhookEndpoint, deps: SenderDeps = {}) {
    const url = new URL(text);
    const check = addressCheck(portOf(url), egress, deps.isOwn ?? (() => false));
    const literal = addressBytes(url.hostname) === null ? null : url.hostname.replace(/^\[|\]$/g, '');
    const problem = urlProblem(text, egress);
    this.#problem = () => problem ?? (literal === null ? null : check(literal));
    this.#path = url.pathname + url.search;
    this.#timeoutMs = timeoutMs;
    this.#pool = new Pool(url.origin, {
      connections: concurrency,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: timeoutMs,
      bodyTimeout: ANSWER_MS_MAX,
      connect: {
        timeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
        lookup: checkedLookup(deps.resolve ?? resolveBySystem, check),
      },
    });
  }

  /** Null: the attempt was given up here, and nothing is known of it. */
  async send({ headers, body }: Outgoing, stop: AbortSignal, nowMs: () => number): Promise<Outcome | null> {
    const problem = this.#problem();
    if (problem !== null) return failed(null, `the address ${problem}`);
    if (stop.aborted) return null;
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort();
    // Its own timer, cleared at the end: signals that run out by themselves would be kept until they do.
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      giveUp();
    }, this.#timeoutMs);
    stop.addEventListener('abort', giveUp);
    try {
      const answer = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers,
        body,
        signal: attempt.signal,
      });
      // The status is the answer; what follows it is read only to keep the connection, and nobody waits for it long.
      void readAway(answer.body);
      return outcomeOf(answer.statusCode, answer.headers['retry-after'], nowMs());
    } catch (error) {
      if (stop.aborted) return null;
      if (isLate) return failed(null, `no answer within ${this.#timeoutMs} ms`);
      return failed(null, reasonOf(error));
    } finally {
      clearTimeout(timer);
      stop.removeEventListener('abort', giveUp);
    }
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

async function readAway(body: Dispatcher.ResponseData['body']): Promise<void> {
  const timer = setTimeout(() => body.destroy(), ANSWER_MS_MAX);
  await body.dump({ limit: ANSWER_BYTES_MAX }).catch(() => body.destroy());
  clearTimeout(timer);
}

function outcomeOf(status: number, retryAfter: string | string[] | undefined, nowMs: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  const asked = [retryAfter].flat()[0];
  const reason = status >= 300 && status < 400 ? `${status}: redirects are not followed` : `status ${status}`;
  return { kind: 'failed', status, reason, retryAfterMs: retryAfterMs(asked, nowMs) };
}

function failed(status: number | null, reason: string): Outcome {
  return { kind: 'failed', status, reason, retryAfterMs: null };
}

/** Refused before a connection is made; its message may be shown. */
class AddressRefused extends Error {}

type AddressCheck = (address: string) => string | null;

function addressCheck(port: number, egress: Egress, isOwn: NonNullable<SenderDeps['isOwn']>): AddressCheck {
  return (address) => {
    const bytes = addressBytes(address);
    if (bytes === null) return 'is not an IP address';
    if (isOwn(address, port)) return 'is this gateway’s own';
    return addressProblem(bytes, port, egress);
  };
}

/** All addresses must pass, or a name could hide one behind another; Node connects to these and asks nobody again. */
function checkedLookup(resolve: Resolve, check: AddressCheck): LookupFunction {
  return (hostname, options, done) => {
    within(LOOKUP_TIMEOUT_MS, resolve(hostname)).then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined) return done(new AddressRefused('its name has no address'), '', 0);
        for (const { address } of addresses) {
          const problem = check(address);
          if (problem !== null) return done(new AddressRefused(`its name leads to an address that ${problem}`), '', 0);
        }
        if (options.all === true) done(null, addresses as HostAddress[]);
        else done(null, first.address, first.family);
      },
      (error: Error) => done(error, '', 0),
    );
  };
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new AddressRefused(`its name was not resolved within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function resolveBySystem(hostname: string): Promise<readonly HostAddress[]> {
  return systemLookup(hostname, { all: true });
}

function reasonOf(error: unknown): string {
  const causes: unknown[] = [error];
  for (let next = error; next instanceof Error && next.cause !== undefined; next = next.cause) causes.push(next.cause);
  const inner = error instanceof AggregateError ? error.errors : [];
  const refused = [...causes, ...inner].find((cause) => cause instanceof AddressRefused);
  if (refused instanceof AddressRefused) return refused.message;
  const code = [...causes, ...inner]
    .map((cause) => (cause as NodeJS.ErrnoException).code)
    .find((one) => one !== undefined);
  return `no answer (${typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? code : 'connection failed'})`;
}
