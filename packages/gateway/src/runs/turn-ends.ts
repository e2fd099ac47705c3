/**
 * Why a turn ended before its answer did, in the words that its callers get: the gateway's refusals, and nothing of an
 * exception but that there was one. Pure but for the report of a bug.
 */
import { GatewayError } from '../domain/errors.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { TurnResult } from './turn.ts';

export type EndReason = 'aborted' | 'turn_timeout' | 'lane_lost' | 'too_long' | 'draining';

export function refusalOf(reason: Exclude<EndReason, 'aborted'>): GatewayError {
  if (reason === 'turn_timeout') return new GatewayError('turn_timeout', 'The turn took longer than its time.');
  if (reason === 'draining') return new GatewayError('draining', 'The gateway is shutting down; send it again.');
  if (reason === 'too_long') {
    return new GatewayError(
      'upstream_invalid',
      'The answer is longer than `limits.answerBytesMax` allows; it was cut.',
    );
  }
  return new GatewayError(
    'ledger_unavailable',
    'The session went to another gateway, because this one lost its lease.',
  );
}

export function wireError({ code, message, refusal }: GatewayError): TurnResult['error'] {
  return { code, message, status: refusal.status };
}

export function errorOf(error: unknown, report: (error: unknown) => void): TurnResult['error'] {
  if (error instanceof GatewayError) return wireError(error);
  if (error instanceof StoreUnavailable) {
    const message = 'The database cannot be used now, so the turn did not begin; turns are taken again by themselves.';
    return wireError(new GatewayError('ledger_unavailable', message));
  }
  report(error);
  return wireError(new GatewayError('internal', 'Internal error; the log has it.'));
}
