/**
 * How a dispatch ended, in words of closed lists, and what that means: for the entry (outcome, usage and its source),
 * for the next attempt (what failed) and for a caller who got no answer (which refusal). Pure.
 */
import type { Outcome, Usage, UsageSource } from '@weighbridge/protocol';
import { GatewayError } from '../domain/errors.ts';
import type { Reading } from '../providers/dialect.ts';
import { estimatedUsage } from '../providers/estimate.ts';
import type { TransportFailure } from '../providers/transport.ts';

/** Why a dispatch is not `completed`. */
export type ErrorKind =
  | TransportFailure
  | 'total_timeout'
  | 'redirect'
  | 'http_error'
  | 'provider_error'
  | 'invalid_answer'
  | 'event_too_large'
  | 'answer_too_large'
  | 'caller_gone'
  | 'caller_stalled'
  | 'stopped'
  | 'shutdown';

export interface End {
  outcome: Exclude<Outcome, 'uncertain'>;
  errorKind: ErrorKind | null;
}

/** What is known of the exchange when its usage is decided. */
export interface Exchanged {
  end: End;
  /** The request left for the provider. */
  wasSent: boolean;
  status: number | null;
  /** The upstream's answer was read to its proper end, or nothing of value could follow. */
  isComplete: boolean;
  reading: Reading | null;
}

/**
 * The usage to record and where it is from. A count the provider gave always wins; without one, whatever may have been
 * produced is estimated, never zero; what passed after a count that was not the last is estimated and added to it. Only a
 * dispatch that cannot have cost anything has none.
 */
export function usageOutcome(
  { end, wasSent, status, isComplete, reading }: Exchanged,
  promptTokens: () => number,
): { usage: Usage | null; usageSource: UsageSource } {
  if (reading?.usage) {
    const { usage, uncountedTokens, anomaly } = reading;
    // Decoded bytes whose end does not decode may have been changed on the way, the count among them.
    const isReported = isComplete && uncountedTokens === 0 && anomaly !== 'encoding_broken';
    return { usage: withUncounted(usage, uncountedTokens), usageSource: isReported ? 'reported' : 'partial' };
  }
  const outputBytes = reading?.outputBytes ?? 0;
  if (!mayHaveCost(end, wasSent, status, outputBytes)) return { usage: null, usageSource: 'none' };
  return { usage: estimatedUsage(promptTokens(), reading?.outputTokens ?? 0), usageSource: 'estimated' };
}

/** An answer brought more than its last count says: it broke off, or its last count never came or was impossible. */
function withUncounted(usage: Usage, tokens: number): Usage {
  return tokens === 0 ? usage : { ...usage, output: usage.output + tokens, total: usage.total + tokens };
}

function mayHaveCost(
  { outcome, errorKind }: End,
  wasSent: boolean,
  status: number | null,
  outputBytes: number,
): boolean {
  if (status !== null && (status < 200 || status > 299)) return false;
  // An error in place of an answer produced nothing; one in the middle of an answer did.
  if (errorKind === 'provider_error') return outputBytes > 0;
  if (status !== null) return true;
  return outcome === 'aborted' && wasSent;
}

/** What a caller is told when the provider's own answer cannot be passed on. Names the provider, never its address. */
export function refusalOf(kind: ErrorKind, provider: string): GatewayError {
  switch (kind) {
    case 'connect_timeout':
    case 'first_byte_timeout':
    case 'idle_timeout':
    case 'total_timeout':
      return new GatewayError('upstream_timeout', `Provider '${provider}' did not answer in time (${kind}).`);
    case 'connections_busy':
      return new GatewayError(
        'overloaded',
        `No connection to provider '${provider}' came free in time; \`limits.upstreamConnectionsMax\` bounds them.`,
        { retryAfterSeconds: 1 },
      );
    case 'redirect':
      return new GatewayError(
        'upstream_redirect',
        `Provider '${provider}' answered with a redirect, which is not followed; correct its base URL.`,
      );
    case 'invalid_http':
    case 'invalid_answer':
    case 'event_too_large':
    case 'answer_too_large':
      return new GatewayError(
        'upstream_invalid',
        `Provider '${provider}' sent an answer that cannot be read (${kind}).`,
      );
    case 'stopped':
      return new GatewayError('draining', 'The run was stopped.');
    case 'shutdown':
      return new GatewayError('draining', 'The gateway is shutting down and ended this run; send it again.', {
        retryAfterSeconds: 1,
      });
    case 'internal':
      return new GatewayError('internal', `The request to provider '${provider}' could not be made; the log says why.`);
    default:
      return new GatewayError(
        'upstream_unreachable',
        `Provider '${provider}' could not be reached or broke off (${kind}).`,
      );
  }
}
