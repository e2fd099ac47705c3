/** The doors' way with an answer of another dialect than the door's: as DOOR, but that what goes out is translated. */
import { bodyMeter, isEventStream } from './choose-meter.ts';
import { DOOR } from './door-manner.ts';
import { encodingOf } from './encoded-meter.ts';
import { answerHeaders, headerOf } from './headers.ts';
import type { Answered, DispatchPlan, Manner } from './plan.ts';
import { TranslatedBodyMeter, TranslatedStreamMeter } from './translated-meter.ts';

const EVENTS = 'text/event-stream; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

export const TRANSLATED: Manner = {
  ...DOOR,

  meter(plan, { limits }, answered, forward) {
    const { status, headers } = answered;
    if (status >= 300 && status < 400) return status === 304 ? 'invalid_answer' : 'redirect';
    const { reader, translated } = plan;
    const { translation, wanted } = translated!;
    if (!isStreamed(plan, answered)) {
      const inner = bodyMeter(reader, limits, headers);
      return { meter: new TranslatedBodyMeter(inner, translation, wanted, status), isStream: false };
    }
    // It was asked for without: what it says could only be passed on as it came.
    if (encodingOf(headerOf(headers, 'content-encoding')) !== null) return 'invalid_answer';
    const meter = new TranslatedStreamMeter({
      reader: reader!.streamReader(),
      stream: translation.stream(wanted),
      eventBytesMax: limits.eventBytesMax,
      forward,
    });
    return { meter, isStream: true };
  },

  headers(plan, answered) {
    const { 'content-encoding': _encoding, 'content-type': _type, ...kept } = answerHeaders(answered.headers);
    return { ...kept, 'content-type': isStreamed(plan, answered) ? EVENTS : JSON_TYPE };
  },
};

function isStreamed({ stream }: DispatchPlan, { status, headers }: Answered): boolean {
  return isEventStream(status, headers, stream);
}
