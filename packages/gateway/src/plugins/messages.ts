/** What goes between the gateway and a plugin's process, a line of JSON each. The other side is never trusted to keep to it. */
import type { EventEnvelope } from '@weighbridge/protocol';
import type { GatewayStartEvent, GatewayStopEvent, PlannedDispatch } from './definition.ts';

export type Task =
  | { kind: 'event'; event: EventEnvelope; delivery: number }
  | { kind: 'start'; event: GatewayStartEvent }
  | { kind: 'stop'; event: GatewayStopEvent }
  | { kind: 'intercept'; dispatch: PlannedDispatch };

export type ToPlugin =
  | { kind: 'load'; entry: string; id: string | null; stateDir: string; logLinesMax: number; parent: number }
  | { kind: 'begin'; config: string }
  | { kind: 'ping' }
  | { kind: 'task'; n: number; task: Task };

/** What a plugin says of itself. */
export interface Defined {
  id: string;
  hooks: string[];
  intercept: { timeoutMs: number | null; onFailure: string | null };
  /** Written for OpenClaw. */
  isOpenClaw: boolean;
}

export type FromPlugin =
  | { kind: 'defined'; defined: Defined }
  | { kind: 'ready'; hooks: string[] }
  | { kind: 'unloadable'; reason: string }
  | { kind: 'pong' }
  /** `error` null: done. `answer`: an interceptor's, not looked at yet. */
  | { kind: 'done'; n: number; error: string | null; answer: unknown }
  | { kind: 'line'; level: 'info' | 'warn' | 'error'; text: string }
  | { kind: 'lines-dropped'; count: number }
  /** Something threw where no handler waits for it. */
  | { kind: 'stray'; error: string };
