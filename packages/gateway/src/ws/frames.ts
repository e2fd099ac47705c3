/**
 * What travels on a WebSocket: requests, their answers, events. Text, JSON, OpenClaw's own three shapes; nothing of what
 * they are about. An event's text is made once however many connections get it, and each adds its own number.
 */

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
