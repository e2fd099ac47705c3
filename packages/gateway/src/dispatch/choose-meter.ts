/** Which meter an answer gets: by its status, its content type and its encoding. Pure. */
import type { UpstreamHeaders } from '../providers/transport.ts';
import { EncodedBodyMeter, EncodedStreamMeter, encodingOf } from './encoded-meter.ts';
import { headerOf } from './headers.ts';
import { BodyMeter, type Meter, StreamMeter } from './meter.ts';
import type { DispatchPlan, DispatchTools } from './plan.ts';

/** Whether the answer is read as events; every other one is held whole. */
export function isEventStream(status: number, headers: UpstreamHeaders, wasStreamAsked: boolean): boolean {
  const type = headerOf(headers, 'content-type') ?? '';
  return status < 300 && (type.startsWith('text/event-stream') || (wasStreamAsked && !type.includes('json')));
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
