/**
 * What travels on a WebSocket: requests, their answers, events. Text, JSON, OpenClaw's own three shapes; nothing of what
 * they are about. An event's text is made once however many connections get it, and each adds its own number. Pure.
 */
import { isUtf8 } from 'node:buffer';
import { repeatedName, scanObject } from '../lib/json-splice.ts';

export interface RequestFrame {
  type: 'req';
  id: string;
  method: string;
  params?: unknown;
  traceparent?: string;
}

export interface ErrorShape {
  code: ErrorCode;
  message: string;
  details?: Record<string, unknown>;
  retryable?: boolean;
  retryAfterMs?: number;
}

export type ErrorCode = 'INVALID_REQUEST' | 'UNAVAILABLE' | 'NOT_PAIRED' | 'FORBIDDEN';

/** Both numbers rise with each change of what they are about. */
export interface StateVersion {
  presence: number;
  health: number;
}

/** A frame that came. */
export interface Received {
  frame: unknown;
  /** What is wrong about it as a text; null: nothing is. */
  wrong: string | null;
}

/** Of a name that is twice in these somebody else may read the other value. */
const isReadInside = (name: string): boolean => name === 'params' || name === 'outboundHeaders';

/** Null: no JSON object at all, of which nothing is said. */
export function received(bytes: Buffer, isBinary: boolean, depthMax: number): Received | null {
  if (isBinary && !isUtf8(bytes)) return null;
  const scan = scanObject(bytes, 0, depthMax);
  if (scan === 'malformed') return null;
  if (scan === 'too_deep') return { frame: {}, wrong: 'nested deeper than `limits.jsonDepthMax`' };
  try {
    const frame: unknown = JSON.parse(bytes.toString('utf8'));
    const twice = repeatedName(bytes, isReadInside);
    return { frame, wrong: twice === null ? null : `'${twice.slice(0, 100)}' is there more than once` };
  } catch {
    return null;
  }
}

export function answerText(id: string, payload: unknown): string {
  return JSON.stringify({ type: 'res', id, ok: true, payload });
}

/** `payload`: what there is to say besides, as a failed run has. */
export function failureText(id: string, error: ErrorShape, payload?: unknown): string {
  return JSON.stringify({ type: 'res', id, ok: false, ...(payload === undefined ? {} : { payload }), error });
}

/** All of an event but its end; `numbered` adds that. */
export function eventHead(event: string, payload: unknown, stateVersion?: StateVersion): string {
  const whole = JSON.stringify({ type: 'event', event, payload, ...(stateVersion ? { stateVersion } : {}) });
  return whole.slice(0, -1);
}

export function numbered(head: string, seq: number): string {
  return `${head},"seq":${seq}}`;
}

/** Sent straight to one connection and not counted, as the challenge is. */
export function unnumbered(head: string): string {
  return `${head}}`;
}
