/**
 * The answer side of `google-generate`: every chunk is a whole response with the counts so far, the last one has the
 * finish reason. No frame says that the stream is over; its connection does. Streams come as events (`alt=sse`) or as
 * the elements of one JSON array; a body may be a response or such an array.
 */

import { isObject } from '../lib/json-object.ts';
import { sseEvent } from '../lib/sse-event.ts';
import type { TextTally } from '../lib/text-tally.ts';
import { addTool, Count } from './counters.ts';
import { generateUsage, makesItsTotal, readUsageMetadata } from './google-usage.ts';
import { isDone, type Json, objectIn, objectsIn, parseJson, rawAt, textOf } from './parsed.ts';
import { PassedText } from './passed-text.ts';
import type { FrameVerdict, Reading, StreamReader } from './reading.ts';

const NOT_FINISHED = new Set(['FINISH_REASON_UNSPECIFIED', 'CONTINUATION']);
/** As Vertex numbers them for callers with `enum-encoding=int`; the later numbers mean other things at Gemini's own address. */
const FINISH_REASONS = ['FINISH_REASON_UNSPECIFIED', 'STOP', 'MAX_TOKENS', 'SAFETY', 'RECITATION', 'OTHER'];
const TRAFFIC_TYPES = ['TRAFFIC_TYPE_UNSPECIFIED', 'ON_DEMAND', 'PROVISIONED_THROUGHPUT'];

class GenerateFacts {
  readonly #count = new Count(makesItsTotal);
  #searches = 0;
  #serviceTier: string | null = null;
  #servedModel: string | null = null;
  #responseId: string | null = null;
  stopReason: string | null = null;
  errorKind: Reading['errorKind'] = null;
  readonly text = new PassedText('google-generate');

  /** One response, whole or a stream's next. Returns whether it brought a count. */
  take(response: Json, raw: () => string | null): boolean {
    this.#responseId ??= textOf(response.responseId);
    this.#servedModel = textOf(response.modelVersion) ?? this.#servedModel;
    if (isObject(response.error)) this.errorKind = 'provider_error';
    for (const candidate of objectsIn(response, 'candidates')) this.#takeCandidate(candidate);
    // A prompt that was refused has no candidates.
    this.stopReason ??= textOf(objectIn(response, 'promptFeedback')?.blockReason);
    const metadata = response.usageMetadata;
    const hasCounted = this.#count.take(() => readUsageMetadata(metadata), raw);
    if (isObject(metadata)) {
      this.#serviceTier =
        textOf(metadata.serviceTier) ?? enumOf(metadata.trafficType, TRAFFIC_TYPES) ?? this.#serviceTier;
    }
    if (hasCounted) this.text.countedSoFar();
    return hasCounted;
  }

  reading(): Reading {
    const counters = this.#count.counters === null ? null : new Map(this.#count.counters);
    if (counters !== null) addTool(counters, 'web_search', this.#searches);
    const counted = counters === null ? null : generateUsage(counters);
    return {
      ...this.#count.facts(counted),
      stopReason: this.stopReason,
      serviceTier: this.#serviceTier,
      servedModel: this.#servedModel,
      responseId: this.#responseId,
      errorKind: this.errorKind,
      ...this.text.facts(),
      reportedCostUsd: null,
      otherModels: [],
    };
  }

  #takeCandidate(candidate: Json): void {
    const finish = enumOf(candidate.finishReason, FINISH_REASONS);
    if (finish !== null && !NOT_FINISHED.has(finish)) this.stopReason = finish;
    for (const part of objectsIn(objectIn(candidate, 'content'), 'parts')) addPart(this.text.tally, part);
    const queries = objectIn(candidate, 'groundingMetadata')?.webSearchQueries;
    if (Array.isArray(queries)) this.#searches = Math.max(this.#searches, queries.length);
  }
}

export class GenerateStreamReader implements StreamReader {
  readonly #facts = new GenerateFacts();
  isWhole = false;

  get outputBytes(): number {
    return this.#facts.text.bytes;
  }

  reading(): Reading {
    return this.#facts.reading();
  }

  frame(bytes: Buffer): FrameVerdict {
    const { data } = sseEvent(bytes);
    if (data === null || data === '') return 'pass';
    if (isDone(data)) return 'terminal';
    const event = parseJson(data);
    if (!isObject(event)) return 'pass';
    const { response, path } = unwrapped(event);
    const hasCounted = this.#facts.take(response, () => rawAt(Buffer.from(data), path));
    if (hasCounted && this.#facts.stopReason !== null) this.isWhole = true;
    return this.#facts.errorKind === null ? 'pass' : 'error';
  }
}

export function readGenerateBody(body: Buffer): Reading {
  const facts = new GenerateFacts();
  const parsed = parseJson(body.toString('utf8'));
  if (Array.isArray(parsed)) {
    for (const element of parsed) takeElement(facts, element);
    return facts.reading();
  }
  if (!isObject(parsed)) {
    facts.errorKind = 'invalid_answer';
    facts.text.tally.addBytes(body);
    return facts.reading();
  }
  const { response, path } = unwrapped(parsed);
  facts.take(response, () => rawAt(body, path));
  return facts.reading();
}

function takeElement(facts: GenerateFacts, element: unknown): void {
  if (!isObject(element)) return;
  const { response } = unwrapped(element);
  facts.take(response, () => JSON.stringify(response.usageMetadata));
}

/** Code Assist puts each response into a `response`. */
export function unwrapped(event: Json): { response: Json; path: string[] } {
  const inner =
    event.candidates === undefined && event.usageMetadata === undefined ? objectIn(event, 'response') : null;
  return inner === null
    ? { response: event, path: ['usageMetadata'] }
    : { response: inner, path: ['response', 'usageMetadata'] };
}

function addPart(tally: TextTally, part: Json): void {
  tally.addText(part.text);
  tally.addText(objectIn(part, 'executableCode')?.code);
  const call = objectIn(part, 'functionCall');
  if (call !== null && call.args !== undefined) tally.addText(JSON.stringify(call.args));
}

/** A word, or its number; a number without a known word is told as it is. */
function enumOf(value: unknown, names: readonly string[]): string | null {
  return typeof value === 'number' ? (names[value] ?? String(value)) : textOf(value);
}
