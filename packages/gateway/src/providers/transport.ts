/**
 * The way to a provider, as dispatch sees it: one request, callbacks, backpressure, abort. Sockets implement it in the
 * dispatch room, the demo answers behind it in process. Failures are words, not exceptions.
 */
import type { Readable } from 'node:stream';
import type { Provider } from '../domain/provider.ts';

/** How a request to a provider can fail on the way. */
export type TransportFailure =
  | 'connect_failed'
  | 'connect_timeout'
  | 'connections_busy'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'reset'
  | 'truncated'
  | 'invalid_http'
  | 'internal';

export interface UpstreamRequest {
  provider: Provider;
  method: string;
  /** Below the provider's base URL. */
  path: string;
  /** Alternating names and values. */
  headers: readonly string[];
  body: Buffer | Readable | null;
}

/** Names lower-cased; repeated headers as arrays. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** `end` or `failed` comes once and last; neither comes after `abort`. Nothing is called before `send` has returned. */
export interface UpstreamHandlers {
  /** The request is on its way: from here on the provider may be working for money. */
  sent(): void;
  head(status: number, headers: UpstreamHeaders): void;
  chunk(bytes: Buffer): void;
  end(trailers?: UpstreamHeaders | null): void;
  failed(kind: TransportFailure): void;
}

export interface UpstreamExchange {
  /** Ends it now, whatever its state; no handler is called any more. */
  abort(): void;
  pause(): void;
  resume(): void;
}

export interface Transport {
  send(request: UpstreamRequest, handlers: UpstreamHandlers): UpstreamExchange;
}
