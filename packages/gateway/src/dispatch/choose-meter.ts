/** Which meter an answer gets: by its status, its content type and its encoding. Pure. */
import type { UpstreamHeaders } from '../providers/transport.ts';
import { EncodedBodyMeter, EncodedStreamMeter, encodingOf } from './encoded-meter.ts';
import { headerOf } from './headers.ts';
import { BodyMeter, type Meter, StreamMeter, unread } from './meter.ts';
import type { AnswerReading, DispatchTools } from './plan.ts';

/** What a stream cannot be, whatever was asked for; some providers give events any other type, or none. */
const WHOLE_TYPES = /json|html|xml|^image|^audio|^video/;
const NO_CONTENT = 204;

/** Whether the answer is read as events; every other one is held whole. */
export function isEventStream(status: number, headers: UpstreamHeaders, wasStreamAsked: boolean): boolean {
  if (status > 299 || status === NO_CONTENT) return false;
  const type = (headerOf(headers, 'content-type') ?? '').trim().toLowerCase();
  return type.startsWith('text/event-stream') || (wasStreamAsked && !WHOLE_TYPES.test(type));
}

type Limits = DispatchTools['limits'];

const UNREAD = { readBody: () => unread(0) };

/** Holds a whole body and reads it, decoded where it came encoded. Without a reader it says nothing of its cost. */
export function bodyMeter(
  reading: Pick<AnswerReading, 'readBody'> | null,
  { answerBytesMax }: Limits,
  headers: UpstreamHeaders,
): BodyMeter {
  const reader = reading ?? UNREAD;
  const encoding = encodingOf(headerOf(headers, 'content-encoding'));
  return encoding === null
    ? new BodyMeter(reader, answerBytesMax)
    : new EncodedBodyMeter(reader, answerBytesMax, encoding);
}

export interface StreamOptions {
  strips: boolean;
  passesTooLarge: boolean;
  forward: (bytes: Buffer) => void;
}

export function streamMeter(
  reading: AnswerReading,
  { eventBytesMax, answerBytesMax }: Limits,
  headers: UpstreamHeaders,
  { strips, passesTooLarge, forward }: StreamOptions,
): Meter {
  const encoding = encodingOf(headerOf(headers, 'content-encoding'));
  const reader = reading.streamReader();
  if (encoding === null)
    return new StreamMeter({ reader, lastWord: reading.lastWord, eventBytesMax, strips, passesTooLarge, forward });
  return new EncodedStreamMeter({ reader, encoding, eventBytesMax, decodedBytesMax: answerBytesMax, forward });
}
