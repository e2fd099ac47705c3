/**
 * What a plugin's author writes against, published as `weighbridge/plugin`. Types, and one function that only gives them.
 * Everything handed to a plugin is a frozen copy: to change something, an interceptor returns what it wants.
 */
import type { DispatchRecord, Outcome, Usage } from '@weighbridge/protocol';
import type { PlannedDispatchView } from '../domain/interceptor.ts';
import type { RunEnded, RunStarted } from '../domain/run-facts.ts';

type Awaitable<T> = T | Promise<T>;

/** The usage of `model.usage`, with the inclusive sums by their OpenAI names beside the disjoint buckets. */
export interface DispatchUsage extends Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** The data of `model.usage`, and the same facts by their plain names. What is not known is null. */
export interface DispatchCompleteEvent extends Omit<DispatchRecord, 'usage'> {
  usage: DispatchUsage | null;
  agent_id: string | null;
  session_id: string | null;
  latency_ms: number | null;
  /** The outcome. */
  status: Outcome | null;
}

export type RunStartEvent = RunStarted;
export type RunEndEvent = RunEnded;

export interface SessionPatchedEvent {
  sessionKey: string;
  [field: string]: unknown;
}

export interface GatewayStartEvent {
  /** `http://HOST:PORT`. */
  url: string;
  ledgerId: string;
  /** 0 at the gateway's start; one more each time that this plugin alone was started anew. */
  restart: number;
}

export interface GatewayStopEvent {
  reason: 'shutdown';
}

export interface PluginLog {
  info(...message: unknown[]): void;
  warn(...message: unknown[]): void;
  error(...message: unknown[]): void;
}

export interface PluginContext<Config = unknown> {
  pluginId: string;
  /** `plugins.entries.<id>.config`. */
  config: Config;
  log: PluginLog;
}

/** Of an event that follows the log. */
export interface EventContext<Config = unknown> extends PluginContext<Config> {
  /** The same whenever this event comes again: delivery is at least once. */
  eventId: string;
  seq: number;
  timestamp: string;
  ledgerId: string;
  /** 1, and one more after each failure on this event. */
  delivery: number;
}

/** One dispatch that is about to be made. */
export interface PlannedDispatch extends PlannedDispatchView {
  agent_id: string | null;
  session_id: string | null;
}

/** Nothing: go on as planned. */
export type DispatchVerdict =
  | { deny: { reason: string } }
  | {
      /** `provider/model`, or a model of the same provider. */
      model?: string;
      /** Recorded with this dispatch, beside the caller's. */
      tags?: readonly string[];
      /** Sent to the provider where `gateway.outboundHeaders.allow` names them. */
      headers?: Readonly<Record<string, string>>;
    };

export interface PluginDefinition<Config = unknown> {
  /** Letters, digits, `.`, `_`, `-`: the name in `plugins.entries` and of its cursor. */
  id: string;
  /** After each dispatch, once it is settled. */
  onModelDispatchComplete?(event: DispatchCompleteEvent, ctx: EventContext<Config>): Awaitable<void>;
  /** A correction of an earlier dispatch; usage and cost are signed differences. */
  onModelUsageCorrected?(event: DispatchCompleteEvent, ctx: EventContext<Config>): Awaitable<void>;
  onRunStart?(event: RunStartEvent, ctx: EventContext<Config>): Awaitable<void>;
  onRunEnd?(event: RunEndEvent, ctx: EventContext<Config>): Awaitable<void>;
  onSessionPatched?(event: SessionPatchedEvent, ctx: EventContext<Config>): Awaitable<void>;
  onGatewayStart?(event: GatewayStartEvent, ctx: PluginContext<Config>): Awaitable<void>;
  onGatewayStop?(event: GatewayStopEvent, ctx: PluginContext<Config>): Awaitable<void>;
  /** On the path of every dispatch, which waits for it. Nothing returned: go on as planned. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is what most authors write
  beforeModelDispatch?(dispatch: PlannedDispatch, ctx: PluginContext<Config>): Awaitable<DispatchVerdict | null | void>;
  /** What `beforeModelDispatch` may take, and what a call without a verdict becomes; the operator's word wins. */
  intercept?: { timeoutMs?: number; onFailure?: 'failOpen' | 'failClosed' };
}

/** Gives the types; the definition stays as it is. */
export function definePlugin<Config = unknown>(definition: PluginDefinition<Config>): PluginDefinition<Config> {
  return definition;
}
