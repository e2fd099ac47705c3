/** A plugin as the API and the CLI show it: how it stands, what went wrong with it, what it could not handle. */

export interface PluginInfo {
  id: string;
  /** Its folder. */
  path: string;
  /** `failed`: it could not be loaded, and `reason` says why. */
  status: 'loading' | 'running' | 'restarting' | 'disabled' | 'failed' | 'ended';
  reason: string | null;
  hooks: string[];
  /** Written for OpenClaw. */
  openclaw: boolean;
  /** Null: it does not decide. */
  intercept: { timeoutMs: number; onFailure: string } | null;
  /** Since this gateway started. */
  restarts: number;
  delivered: number;
  faults: Record<string, number>;
  /** The number that its cursor stands at; null: it follows nothing. */
  cursor: number | null;
  /** Events that it has yet to get. */
  behind: number;
  /** Events that it failed on too often. */
  setAside: number;
}

export interface PluginEventAside {
  seq: number;
  eventId: string;
  tenantId: string;
  type: string;
  failures: number;
  reason: string;
  setAsideAt: string;
  /** It is about to be delivered again. */
  waiting: boolean;
}

export interface PluginDetail extends PluginInfo {
  /** The newest hundred. */
  eventsAside: PluginEventAside[];
}

/** Exactly one: from a number or a time on, or what is set aside. */
export interface PluginReplay {
  fromSeq?: number;
  since?: string;
  setAside?: true;
}

export interface PluginReplayed {
  object: 'plugin_replay';
  id: string;
  /** Everything from here on comes again; null: what was set aside does. */
  fromSeq: number | null;
  /** How many were set aside. */
  setAside: number;
}
