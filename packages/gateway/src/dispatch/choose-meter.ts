/** Which meter an answer gets: by its status, its content type and its encoding. Pure. */
import type { UpstreamHeaders } from '../providers/transport.ts';
import { EncodedBodyMeter, EncodedStreamMeter, encodingOf } from './encoded-meter.ts';
import { headerOf } from './headers.ts';
import { BodyMeter, type Meter, StreamMeter } from './meter.ts';
import type { DispatchPlan, DispatchTools } from './plan.ts';

/** What a stream cannot be, whatever was asked for; some providers give events any other type, or none. */
const WHOLE_TYPES = /json|html|xml|^image|^audio|^video/;
const NO_CONTENT = 204;

/** Whether the answer is read as events; every other one is held whole. */
export function isEventStream(status: number, headers: UpstreamHeaders, wasStreamAsked: boolean): boolean {
  if (status > 299 || status === NO_CONTENT) return false;
  const type = (headerOf(headers, 'content-type') ?? '').trim().toLowerCase();
  return type.startsWith('text/event-stream') || (wasStreamAsked && !WHOLE_TYPES.test(type));
}

export function bodyMeter({ dialect }: DispatchPlan, { limits }: DispatchTools, headers: UpstreamHeaders): Meter {
  const encoding = encodingOf(headerOf(headers, 'content-encoding'));
  return encoding === null
    ? new BodyMeter(dialect, limits.answerBytesMax)
    : new EncodedBodyMeter(dialect, limits.answerBytesMax, encoding);
}

export function streamMeter(
  { dialect, strips }: DispatchPlan,
  { limits }: DispatchTools,
  headers: UpstreamHeaders,
  forward: (bytes: Buffer) => void,
): Meter {
  const { eventBytesMax, answerBytesMax } = limits;
  const encoding = encodingOf(headerOf(headers, 'content-encoding'));
  const reader = dialect.streamReader();
  if (encoding === null) return new StreamMeter({ reader, eventBytesMax, strips, forward });
  return new EncodedStreamMeter({ reader, encoding, eventBytesMax, decodedBytesMax: answerBytesMax, forward });
}
