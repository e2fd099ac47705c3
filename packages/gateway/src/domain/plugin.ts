/**
 * What the operator says of plugins: where they lie, what each is given, how far each may go. A plugin's id is known only
 * once its folder was read, so folders and entries stand apart. Its own config may hold secrets and is kept as one.
 */
import type { Secret } from '../lib/secret.ts';

/** What becomes of a call that an interceptor gives no verdict on. */
export const INTERCEPT_FAILURES = ['failOpen', 'failClosed'] as const;
export type InterceptFailure = (typeof INTERCEPT_FAILURES)[number];

export interface PluginEntry {
  enabled: boolean;
  /** JSON text of an object; the plugin gets this and nothing else of the configuration. */
  config: Secret;
  /** Null: what the plugin itself says, else the default. */
  intercept: { timeoutMs: number | null; onFailure: InterceptFailure | null };
}

export interface PluginLimits {
  /** JavaScript's heap of one plugin, and the buffers that it holds outside. */
  heapBytesMax: number;
  loadTimeoutMs: number;
  handlerTimeoutMs: number;
  /** Failures on one event before it is set aside. */
  failuresMax: number;
  /** Events of one plugin that are being handled at once, each of another session. */
  concurrentMax: number;
  /** Lines of a plugin's console that are logged in a minute. */
  logLinesMax: number;
}

export interface PluginSettings {
  /** Absolute paths; each is one plugin. */
  folders: readonly string[];
  /** By plugin id. */
  entries: ReadonlyMap<string, PluginEntry>;
  limits: PluginLimits;
}

export const NO_PLUGINS: Pick<PluginSettings, 'folders' | 'entries'> = { folders: [], entries: new Map() };
