/**
 * The sockets to providers: one pool for each, HTTP/1.1, keep-alive, one request at a time on a connection. It follows no
 * redirect, decodes nothing and retries nothing; every failure becomes one of the transport's words. The only file of
 * this room that opens a connection.
 */
import { Pool, type Dispatcher as Undici } from 'undici';
import type { GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import type {
  Transport,
  TransportFailure,
  UpstreamExchange,
  UpstreamHandlers,
  UpstreamHeaders,
  UpstreamRequest,
} from '../providers/transport.ts';
import { joinedPath } from './pass-path.ts';

const KEEP_ALIVE_MS = 30_000;
/** Some vendors answer with more rate-limit headers than Node's default of 16 KiB takes. */
const HEAD_BYTES_MAX = 64 * 1024;

interface Route {
  pool: Pool;
  /** The base URL's path, put before the dialect's. */
  prefix: string;
}

export interface ConnectionLimits {
  /** To one provider. */
  connectionsMax: number;
  /** Longest wait for one of them; 0 is off. */
  waitMs: number;
}

export function connectionLimits({ limits }: Pick<GatewayConfig, 'limits'>): ConnectionLimits {
  return { connectionsMax: limits.upstreamConnectionsMax, waitMs: limits.upstreamWaitMs };
}

export class Upstream implements Transport {
  #connectionsMax: number;
  #waitMs: number;
  readonly #routes = new WeakMap<Provider, Route>();
  /** By all that a pool is made of: providers that a reload has not moved keep their connections. */
  readonly #pools = new Map<string, Pool>();
  /** Of providers that are configured no more, until their last exchange is over. */
  readonly #leaving = new Set<Pool>();

  constructor({ connectionsMax, waitMs }: ConnectionLimits) {
    this.#connectionsMax = connectionsMax;
    this.#waitMs = waitMs;
  }

  send({ provider, method, path, headers, body }: UpstreamRequest, handlers: UpstreamHandlers): UpstreamExchange {
    const { pool, prefix } = this.#routeOf(provider);
    const exchange = new SocketExchange(handlers);
    pool.dispatch(
      { method: method as Undici.HttpMethod, path: joinedPath(prefix, path), headers: headers as string[], body },
      exchange,
    );
    exchange.isSending = false;
    exchange.waitAtMost(this.#waitMs);
    return exchange;
  }

  /** Cuts every connection, also those in use: whoever wants them ended properly ends the runs first. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values(), ...this.#leaving];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  /** After a reload: pools that none of these providers uses end with their last exchange. */
  keep(providers: Iterable<Provider>, { connectionsMax, waitMs }: ConnectionLimits): void {
    this.#connectionsMax = connectionsMax;
    this.#waitMs = waitMs;
    const used = new Set(Array.from(providers, (provider) => this.#keyOf(provider)));
    for (const [key, pool] of this.#pools) {
      if (used.has(key)) continue;
      this.#pools.delete(key);
      this.#leaving.add(pool);
      void pool.close().finally(() => this.#leaving.delete(pool));
    }
  }

  #keyOf({ id, baseUrl, timeouts, kind }: Provider): string {
    return kind === 'demo' ? id : JSON.stringify([id, new URL(baseUrl).origin, timeouts, this.#connectionsMax]);
  }

  #routeOf(provider: Provider): Route {
    const known = this.#routes.get(provider);
    // A run that began before a reload may try again at a provider whose pool has been closed since.
    return known === undefined || known.pool.closed || known.pool.destroyed ? this.#open(provider) : known;
  }

  #open(provider: Provider): Route {
    const url = new URL(provider.baseUrl);
    const key = this.#keyOf(provider);
    const pool = this.#pools.get(key) ?? this.#newPool(url.origin, provider);
    this.#pools.set(key, pool);
    const route = { pool, prefix: url.pathname.replace(/\/$/, '') };
    this.#routes.set(provider, route);
    return route;
  }

  #newPool(origin: string, provider: Provider): Pool {
    const { connectTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = provider.timeouts;
    return new Pool(origin, {
      connections: this.#connectionsMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEAD_BYTES_MAX,
      connect: { timeout: connectTimeoutMs },
      headersTimeout: firstByteTimeoutMs,
      bodyTimeout: idleTimeoutMs,
    });
  }
}

const ABORTED = new Error('the dispatch was aborted');

/** One request: undici's handler and our exchange in one object, so that a request costs no closures. */
class SocketExchange implements UpstreamExchange, Undici.DispatchHandler {
  /** True while `send` has not returned: a failure must not be reported before its exchange is known. */
  isSending = true;
  readonly #handlers: UpstreamHandlers;
  #controller: Undici.DispatchController | null = null;
  #hasHead = false;
  #isOver = false;
  #waiting: NodeJS.Timeout | null = null;

  constructor(handlers: UpstreamHandlers) {
    this.#handlers = handlers;
  }

  /** Gives up if no connection takes it in time. Where one was free it has been taken by now, and there is no timer. */
  waitAtMost(ms: number): void {
    if (ms === 0 || this.#isOver || this.#controller !== null) return;
    this.#waiting = setTimeout(() => {
      this.#isOver = true;
      this.#handlers.failed('connections_busy');
    }, ms);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#over();
    this.#controller?.abort(ABORTED);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    if (!this.#isOver) this.#controller?.resume();
  }

  onRequestStart(controller: Undici.DispatchController): void {
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    this.#controller = controller;
    // Aborted while it waited for a connection: it is never written.
    if (this.#isOver) controller.abort(ABORTED);
  }

  onRequestSent(): void {
    this.#handlers.sent();
  }

  onResponseStart(_controller: Undici.DispatchController, status: number, headers: UpstreamHeaders): void {
    if (this.#isOver || status < 200) return;
    this.#hasHead = true;
    this.#handlers.head(status, headers);
  }

  onResponseData(_controller: Undici.DispatchController, chunk: Buffer): void {
    if (!this.#isOver) this.#handlers.chunk(chunk);
  }

  onResponseEnd(_controller: Undici.DispatchController, trailers: UpstreamHeaders): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.end(trailers);
  }

  #over(): void {
    this.#isOver = true;
    if (this.#waiting !== null) clearTimeout(this.#waiting);
  }

  onResponseError(_controller: Undici.DispatchController | null, error: Error): void {
    if (this.#isOver) return;
    this.#over();
    const kind = failureOf(error as NodeJS.ErrnoException, this.#controller !== null, this.#hasHead);
    if (this.isSending) queueMicrotask(() => this.#handlers.failed(kind));
    else this.#handlers.failed(kind);
  }
}

function failureOf(
  { code = '', name }: NodeJS.ErrnoException,
  wasStarted: boolean,
  hasHead: boolean,
): TransportFailure {
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'connect_timeout';
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'internal';
  if (!wasStarted) return 'connect_failed';
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return 'first_byte_timeout';
  if (code === 'UND_ERR_BODY_TIMEOUT') return 'idle_timeout';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'truncated';
  if (name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW') return 'invalid_http';
  if (code === 'UND_ERR_SOCKET' && hasHead) return 'truncated';
  if (code === 'UND_ERR_SOCKET' || code.startsWith('E')) return 'reset';
  return 'internal';
}
