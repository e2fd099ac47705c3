/**
 * Where a dispatch can go. A provider is one vendor endpoint that speaks one dialect (`api`); a target is a provider,
 * and a model there. All of it is immutable once decided by config.
 */
import type { Secret } from '../lib/secret.ts';
import type { ContextHeader } from './context-headers.ts';
import type { PricePin } from './price.ts';

export const APIS = ['openai-completions', 'openai-responses', 'anthropic-messages', 'google-generate'] as const;
export type Api = (typeof APIS)[number];

export interface ProviderModel {
  id: string;
  name: string | null;
  contextWindow: number | null;
  maxTokens: number | null;
  /** From config (`cost`, USD per 1M tokens) or the demo; null: the price book is asked. */
  price: PricePin | null;
  /** The file has a `cost`, understood or not: no book may price the model in its place. */
  hasOwnCost: boolean;
}

export interface Provider {
  id: string;
  api: Api;
  /** Without trailing slash, e.g. `https://api.openai.com/v1`. Unused by the demo. */
  baseUrl: string;
  /** `demo` answers in process, opens no socket. */
  kind: 'http' | 'demo';
  credential: Secret | null;
  /** On the pass-through the caller's own credential goes to it instead of ours. */
  takesCallersCredential?: true;
  /** Static headers, lowest in the merge order. Names lower-cased. */
  headers: Readonly<Record<string, string>>;
  /** Which of a caller's outbound headers go to it; absent: those of the gateway's list, and none when it is a fallback. */
  outboundAllow?: readonly string[];
  /** Made anew for each dispatch; above `headers`, below what a session sends. */
  contextHeaders?: readonly ContextHeader[];
  /** Configured models; any other model of the provider may be dispatched too. */
  models: readonly ProviderModel[];
  /** The origin is the known vendor's own: such upstreams get no hop header. */
  isVendorOrigin: boolean;
  /** The known vendor whose prices hold: by its address, else by the provider's id. */
  vendor: string | null;
  /** Whether the endpoint is known to accept `stream_options.include_usage`. `unknown` is asked, with one retry without. */
  asksUsage: 'yes' | 'no' | 'unknown';
  timeouts: UpstreamTimeouts;
  /** The same provider in the other dialects that its vendor speaks: another address, the same key. */
  also?: Readonly<Partial<Record<Api, Provider>>>;
}

/** Milliseconds; 0 is off. Defaults: connect 10 s, first byte 600 s, idle 300 s, total off. */
export interface UpstreamTimeouts {
  connectTimeoutMs: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
  totalTimeoutMs: number;
}

export interface Target {
  provider: Provider;
  model: string;
}
