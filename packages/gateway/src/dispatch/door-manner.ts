/**
 * The doors' way with an answer: a stream goes on event by event, a body is held whole until its count is on disk; until a
 * byte has left, a failed answer may be replaced by another try's. Redirects are not followed.
 */
import { bodyMeter, isEventStream, streamMeter } from './choose-meter.ts';
import { answerHeaders } from './headers.ts';
import type { Manner } from './plan.ts';

const NOT_MODIFIED = 304;

export const DOOR: Manner = {
  meter({ reader, stream, strips }, { limits }, { status, headers }, forward) {
    if (status >= 300 && status < 400) return status === NOT_MODIFIED ? 'invalid_answer' : 'redirect';
    if (reader === null || !isEventStream(status, headers, stream)) {
      return { meter: bodyMeter(reader, limits, headers), isStream: false };
    }
    const meter = streamMeter(reader, limits, headers, { strips, passesTooLarge: false, forward });
    return { meter, isStream: true };
  },

  headers: (_plan, { headers }) => answerHeaders(headers),

  isHeadFirst: () => false,

  endOf({ status }, { meter, isStream }) {
    const { stopReason, anomaly, errorKind } = meter.reading();
    if (status > 299) return { outcome: 'failed', errorKind: 'http_error' };
    const isCut = isStream && !meter.isWhole && stopReason === null && anomaly !== 'encoding_broken';
    if (isCut && errorKind === null) return { outcome: 'failed', errorKind: 'truncated' };
    return errorKind === null ? { outcome: 'completed', errorKind: null } : { outcome: 'failed', errorKind };
  },

  isReplaceable: () => true,

  // A provider's own error event is the end of its stream, and passes.
  endsWell: ({ outcome, errorKind }) => outcome !== 'failed' || errorKind === 'provider_error',
};
