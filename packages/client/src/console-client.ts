/**
 * Typed questions of whoever looks on: what was called, what is in flight, keys, endpoints, sessions, the live feed. Each method
 * is one request of the HTTP API and its answer as it is on the wire; an answer that is no success is thrown as ApiError.
 */
import type {
  CreatedKey,
  DeliveryInfo,
  DispatchDetail,
  DispatchRecord,
  EventEnvelope,
  KeyInfo,
  KeyRequest,
  List,
  ModelUsageEvent,
  ReplayRequest,
  RunInFlight,
  SessionInfo,
  UsageAnswer,
  WebhookInfo,
  WebhookTest,
} from '@weighbridge/protocol';
import { ApiError, apiErrorOf } from './api-error.ts';
import type { DispatchesQuery, EventsQuery, Readiness, SessionsQuery, UsageQuery } from './queries.ts';
import { search } from './search.ts';
import { serverSentEvents } from './sse.ts';

export interface ClientOptions {
  /** Where the gateway listens, e.g. `http://127.0.0.1:18760`. */
  url: string;
  /** The token or password; null for a gateway with `auth.mode: "none"`. */
  token: string | null;
  /** Milliseconds for a question's whole answer (not for the feed); 0 is off. */
  timeoutMs?: number;
  /** For tests and runtimes with their own. */
  fetch?: typeof globalThis.fetch;
}

interface AskOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  body?: object;
  /** Statuses beside 2xx that are answers. */
  alsoAnswers?: readonly number[];
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;

export class ConsoleClient {
  readonly url: string;
  readonly #token: string | null;
  readonly #timeoutMs: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#token = options.token;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    // Called without `this`: browsers refuse their fetch with a foreign one.
    const call = options.fetch ?? globalThis.fetch;
    this.#fetch = (input, init) => call(input, init);
  }

  /** Dispatches, newest first. */
  dispatches(query: DispatchesQuery = {}): Promise<List<DispatchRecord>> {
    return this.ask(`/api/v1/dispatches${search({ ...query })}`);
  }

  /** One dispatch in full, by `dsp_…` or `ent_…`. */
  dispatch(id: string): Promise<DispatchDetail> {
    return this.ask(`/api/v1/dispatches/${encodeURIComponent(id)}`);
  }

  /** Sums over settled entries. Rejects when `signal` aborts: nobody waits for the answer any more. */
  usage(query: UsageQuery = {}, signal?: AbortSignal): Promise<UsageAnswer> {
    return this.ask(`/api/v1/usage${search({ ...query, groupBy: query.groupBy?.join(',') || undefined })}`, {
      signal,
    });
  }

  /** What is in flight in that gateway now. */
  runs(): Promise<List<RunInFlight>> {
    return this.ask('/api/v1/runs');
  }

  /** Ends a run at once, without a drain. Needs the scope `admin`; a run that is not in flight there is a 404. */
  stopRun(runId: string): Promise<{ object: 'run'; runId: string; stopped: true }> {
    return this.ask(`/api/v1/runs/${encodeURIComponent(runId)}/stop`, { method: 'POST' });
  }

  /** Keys, newest first. Needs the scope `admin`, as do the next two. */
  keys(query: { limit?: number | undefined; cursor?: string | undefined } = {}): Promise<List<KeyInfo>> {
    return this.ask(`/api/v1/keys${search({ ...query })}`);
  }

  /** The answer is the only one that holds the key itself. */
  createKey(request: KeyRequest): Promise<CreatedKey> {
    return this.ask('/api/v1/keys', { method: 'POST', body: request });
  }

  /** At once in that gateway, within a second in every other on its database. */
  revokeKey(keyId: string): Promise<KeyInfo> {
    return this.ask(`/api/v1/keys/${encodeURIComponent(keyId)}/revoke`, { method: 'POST' });
  }

  /** Endpoints and how each stands. Needs the scope `admin`, as does all that follows about webhooks. */
  webhooks(): Promise<List<WebhookInfo>> {
    return this.ask('/api/v1/webhooks');
  }

  enableWebhook(id: string): Promise<WebhookInfo> {
    return this.ask(webhookPath(id, 'enable'), { method: 'POST' });
  }

  disableWebhook(id: string): Promise<WebhookInfo> {
    return this.ask(webhookPath(id, 'disable'), { method: 'POST' });
  }

  /** Sends one message now, which sums up to nothing, and says what came of it. */
  testWebhook(id: string): Promise<WebhookTest> {
    return this.ask(webhookPath(id, 'test'), { method: 'POST' });
  }

  /** The same events once more, under their own ids. */
  replayWebhook(id: string, request: ReplayRequest): Promise<WebhookInfo> {
    return this.ask(webhookPath(id, 'replay'), { method: 'POST', body: request });
  }

  /** Messages that failed so far. */
  webhookDeliveries(
    id: string,
    query: { limit?: number | undefined; cursor?: string | undefined; state?: 'pending' | 'dead' | undefined } = {},
  ): Promise<List<DeliveryInfo>> {
    return this.ask(webhookPath(id, 'deliveries') + search({ ...query }));
  }

  /** Sessions, the last changed first. */
  sessions(query: SessionsQuery = {}): Promise<List<SessionInfo>> {
    return this.ask(`/api/v1/sessions${search({ ...query })}`);
  }

  /** Whether the gateway takes calls now, and what keeps it from doing so. Needs no credential. */
  ready(): Promise<Readiness> {
    return this.ask('/readyz', { alsoAnswers: [503] });
  }

  /**
   * The event log, live. Ends when `signal` aborts; a refusal (4xx) and a first connection that fails are thrown. Later
   * breaks are repaired: the feed is asked again from the last event that was handed out.
   */
  async *events(query: EventsQuery = {}): AsyncGenerator<ModelUsageEvent | EventEnvelope> {
    const { afterSeq, signal = new AbortController().signal, types, onConnection, silenceMs = 0, ...filters } = query;
    const path = `/api/v1/events${search({ ...filters, types: types?.join(',') })}`;
    let lastEventId = afterSeq === undefined ? '' : String(afterSeq);
    let firstRetryMs = RETRY_FIRST_MS;
    let retryMs = firstRetryMs;
    let connected = false;
    while (!signal.aborted) {
      try {
        const body = await this.#openFeed(path, lastEventId, signal);
        connected = true;
        onConnection?.(true);
        for await (const message of serverSentEvents(silenceMs === 0 ? body : unsilent(body, silenceMs))) {
          lastEventId = message.lastEventId || lastEventId;
          firstRetryMs = message.retryMs ?? firstRetryMs;
          retryMs = firstRetryMs;
          // Only a place to resume from: the feed's beginning.
          if (message.data !== '') yield JSON.parse(message.data) as EventEnvelope;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!connected || !canPass(error)) throw error;
        retryMs = Math.max(retryMs, retryAfterMs(error));
      }
      if (!signal.aborted) onConnection?.(false);
      await pause(retryMs, signal);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  }

  #openFeed(path: string, lastEventId: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const resume = lastEventId === '' ? {} : { 'last-event-id': lastEventId };
    return this.stream(path, { headers: { accept: 'text/event-stream', ...resume }, signal });
  }

  /** An answer as it comes, without an end that is waited for. */
  protected async stream(
    path: string,
    { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#fetch(this.url + path, {
      headers: { ...this.#headers(), ...headers },
      signal: signal ?? null,
    });
    if (!response.ok) throw await apiErrorOf(response);
    if (response.body === null) throw new TypeError('the gateway answered without a body');
    return chunksOf(response.body);
  }

  protected async ask<Answer>(path: string, options: AskOptions = {}): Promise<Answer> {
    const { method = 'GET', body, alsoAnswers = [] } = options;
    const signal = this.#until(options.signal);
    const headers = { ...this.#headers(), accept: 'application/json' };
    const sent =
      body === undefined
        ? { headers }
        : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await this.#fetch(this.url + path, { method, signal, ...sent });
    if (!response.ok && !alsoAnswers.includes(response.status)) throw await apiErrorOf(response);
    return (await response.json()) as Answer;
  }

  /** When a question is given up; null: never. */
  #until(signal: AbortSignal | undefined): AbortSignal | null {
    if (this.#timeoutMs === 0) return signal ?? null;
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  }

  #headers(): Record<string, string> {
    return this.#token === null ? {} : { authorization: `Bearer ${this.#token}` };
  }
}

export function webhookPath(id: string, action?: string): string {
  return `/api/v1/webhooks/${encodeURIComponent(id)}${action === undefined ? '' : `/${action}`}`;
}

/** Safari cannot iterate a ReadableStream; leaving early cancels it, so the connection goes. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The same chunks; throws when none comes for too long, which a connection that is gone may not say by itself. */
async function* unsilent(chunks: AsyncIterable<Uint8Array>, silenceMs: number): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    while (true) {
      const { promise, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new Error(`the feed was silent for ${silenceMs} ms`)), silenceMs);
      const next = await Promise.race([source.next(), promise]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a read that never ends would hold this too.
    void source.return?.();
  }
}

/** Whether asking again may help: the connection broke, or the gateway says "not now". */
function canPass(error: unknown): boolean {
  if (error instanceof SyntaxError) return false;
  return !(error instanceof ApiError) || error.status >= 500 || error.status === 429;
}

function retryAfterMs(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
