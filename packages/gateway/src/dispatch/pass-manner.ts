/**
 * The pass-through's way with an answer: whatever its status, its bytes go on as they come, and it ends for the caller as
 * it ended for us. Only what could complete it, its last word or its last byte, waits for the ledger.
 */
import { bodyMeter, isEventStream, streamMeter } from './choose-meter.ts';
import { DOOR } from './door-manner.ts';
import { headerOf } from './headers.ts';
import { passedAnswerHeaders } from './pass-headers.ts';
import { PassMeter } from './pass-meter.ts';
import type { Answered, DispatchPlan, Manner } from './plan.ts';

const NO_BODY: ReadonlySet<number> = new Set([204, 304]);

export const PASS: Manner = {
  meter(plan, { limits }, answered, forward) {
    const { reader, strips } = plan;
    const { status, headers } = answered;
    // Our question may be what was refused, and then another try takes its place; or our credential, which some repeat.
    const mayRepeatOurs = !plan.target.provider.takesCallersCredential && lengthOf(plan, answered) !== 0;
    if (status > 399 && (strips || mayRepeatOurs))
      return { meter: bodyMeter(reader, limits, headers), isStream: false };
    const isCounted = reader !== null && status < 300;
    if (isCounted && isEventStream(status, headers, plan.stream)) {
      const meter = streamMeter(reader, limits, headers, { strips, passesTooLarge: true, forward });
      return { meter, isStream: true };
    }
    const copy = isCounted ? bodyMeter(reader, limits, headers) : null;
    return { meter: new PassMeter({ copy, contentLength: lengthOf(plan, answered), forward }), isStream: true };
  },

  headers({ stream, reader }, { status, headers }) {
    const passed = passedAnswerHeaders(headers);
    // With its length known a caller would see a stream's end before the ledger has it; and we may leave out a chunk.
    if (isEventStream(status, headers, stream && reader !== null)) delete passed['content-length'];
    return passed;
  },

  // Without a body the head is the end, and waits.
  isHeadFirst: (plan, answered) => lengthOf(plan, answered) !== 0,

  endOf: DOOR.endOf,

  isReplaceable: (metering) => metering === null || !metering.isStream,

  endsWell: (_end, meter, hasUpstreamEnded) => hasUpstreamEnded || meter.isTerminal,
};

/** The bytes that will come; null where the end is the transport's own. */
function lengthOf({ request }: DispatchPlan, { status, headers }: Answered): number | null {
  if (request.method === 'HEAD' || NO_BODY.has(status)) return 0;
  const length = headerOf(headers, 'content-length');
  return length === null ? null : Number(length);
}
