/**
 * The answer side of `openai-completions`: what a chunk or a body says about usage, the end and errors. Streams are the
 * hot path: a frame gets a glance, and only one that can matter is parsed: the first, and those with a count, a stop
 * reason or an error.
 */
import { findMember, isDeeperThan, type ObjectScan, type Range, scanArray, scanObject } from '../lib/json-splice.ts';
import { frameData } from '../lib/sse-frames.ts';
import type { Anomaly, FrameVerdict, Reading, StreamReader } from './dialect.ts';
import { jsonBytes } from './estimate.ts';
import { glance } from './openai-glance.ts';
import { type Counters, mergeCounters, readCounters, usageOf } from './openai-usage.ts';

type Json = Record<string, unknown>;

const DATA = Buffer.from('data:');
/** As far as `event: error` reaches, with room. */
const EVENT_LINE_BYTES = 32;
/** No answer is nested so deep (arguments of tools are strings); parsing millions of levels would take gigabytes. */
const DEPTH_MAX = 512;
const LOWER_D = 0x64;
const SPACE = 0x20;
const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What an answer has said so far; streams and bodies fill the same one. */
class Facts {
  counters: Counters | null = null;
  rawUsage: string | null = null;
  #rejectedRaw: string | null = null;
  anomaly: Anomaly | null = null;
  stopReason: string | null = null;
  serviceTier: string | null = null;
  servedModel: string | null = null;
  responseId: string | null = null;
  errorKind: Reading['errorKind'] = null;
  outputBytes = 0;

  /** The members that a chunk and a body have in common. Returns whether a usage was among them. */
  take(chunk: Json, bytes: Buffer): boolean {
    this.responseId ??= textOf(chunk.id);
    this.servedModel ??= textOf(chunk.model);
    this.serviceTier = textOf(chunk.service_tier) ?? this.serviceTier;
    if (isError(chunk.error)) this.errorKind = 'provider_error';
    let hasUsage = this.#takeUsage(chunk.usage, () => rawAt(bytes, ['usage']));
    if (isObject(chunk.x_groq)) {
      hasUsage = this.#takeUsage(chunk.x_groq.usage, () => rawAt(bytes, ['x_groq', 'usage'])) || hasUsage;
    }
    if (!Array.isArray(chunk.choices)) return hasUsage;
    let ranges: readonly Range[] | null = null;
    for (let index = 0; index < chunk.choices.length; index++) {
      const choice: unknown = chunk.choices[index];
      if (!isObject(choice)) continue;
      this.stopReason = textOf(choice.finish_reason) ?? this.stopReason;
      if (choice.usage === undefined) continue;
      // One scan finds all choices: there may be very many.
      ranges ??= elementsAt(bytes, 'choices');
      const range = ranges[index];
      const raw = () => (range === undefined ? null : rawAt(bytes.subarray(range.start, range.end), ['usage']));
      hasUsage = this.#takeUsage(choice.usage, raw) || hasUsage;
    }
    return hasUsage;
  }

  reading(): Reading {
    const counted = this.counters === null ? null : usageOf(this.counters);
    return {
      usage: counted?.usage ?? null,
      rawUsage: this.rawUsage ?? this.#rejectedRaw,
      anomaly: this.anomaly ?? (counted?.isConsistent === false ? 'usage_inconsistent' : null),
      stopReason: this.stopReason,
      serviceTier: this.serviceTier,
      servedModel: this.servedModel,
      responseId: this.responseId,
      errorKind: this.errorKind,
      outputBytes: this.outputBytes,
    };
  }

  #takeUsage(usage: unknown, rawOf: () => string | null): boolean {
    const counters = readCounters(usage);
    if (counters === null) return false;
    if (counters === 'malformed') {
      this.anomaly = 'usage_malformed';
      this.#rejectedRaw = rawOf();
      return false;
    }
    if (this.counters === null) this.counters = counters;
    else if (mergeCounters(this.counters, counters)) this.anomaly ??= 'usage_decreased';
    // The longest is the most complete; of equals the latest counts.
    const raw = rawOf();
    if (raw !== null && raw.length >= (this.rawUsage?.length ?? 0)) this.rawUsage = raw;
    return true;
  }
}

export class ChatStreamReader implements StreamReader {
  readonly #facts = new Facts();
  #isFirst = true;
  #hasStopped = false;
  isWhole = false;

  get outputBytes(): number {
    return this.#facts.outputBytes;
  }

  reading(): Reading {
    return this.#facts.reading();
  }

  frame(bytes: Buffer): FrameVerdict {
    // Data that is an object, as nearly always, is not the last word; every other frame is looked at in full.
    if (!beginsObject(bytes) && frameData(bytes)?.trim() === '[DONE]') return 'terminal';
    const seen = glance(bytes);
    this.#facts.outputBytes += seen < 0 ? ~seen : seen;
    // The first chunk names the model; what does not begin with `data` may be an error event.
    return seen < 0 || this.#isFirst || bytes[0] !== LOWER_D ? this.#parse(bytes) : 'pass';
  }

  #parse(bytes: Buffer): FrameVerdict {
    const data = frameData(bytes);
    if (data === null || data === '') return 'pass';
    const json = dataBytes(bytes, data);
    const chunk = isDeeperThan(json, DEPTH_MAX) ? null : parseObject(data);
    if (chunk === null) return 'pass';
    this.#isFirst = false;
    if (isErrorEvent(bytes)) this.#facts.errorKind = 'provider_error';
    const hasUsage = this.#facts.take(chunk, json);
    this.#hasStopped ||= this.#facts.stopReason !== null;
    if (hasUsage && this.#hasStopped) this.isWhole = true;
    if (this.#facts.errorKind !== null) return 'error';
    const isEmpty = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return isEmpty && isObject(chunk.usage) ? 'usage-only' : 'pass';
  }
}

export function readChatBody(body: Buffer): Reading {
  const facts = new Facts();
  const parsed = isDeeperThan(body, DEPTH_MAX) ? null : parseObject(body.toString('utf8'));
  if (parsed === null) {
    facts.errorKind = 'invalid_answer';
    facts.outputBytes = body.length;
    return facts.reading();
  }
  facts.take(parsed, body);
  if (facts.counters === null) facts.outputBytes = messageBytes(parsed.choices);
  return facts.reading();
}

/** Whether the frame's first line is data that begins with a brace. */
function beginsObject(frame: Buffer): boolean {
  for (let at = 0; at < DATA.length; at++) if (frame[at] !== DATA[at]) return false;
  return frame[frame[DATA.length] === SPACE ? DATA.length + 1 : DATA.length] === OPEN_BRACE;
}

/** The bytes of an event's JSON: a view of the frame where it stands on one line, as nearly always. */
function dataBytes(frame: Buffer, data: string): Buffer {
  const json = frame.subarray(frame.indexOf(OPEN_BRACE), frame.lastIndexOf(CLOSE_BRACE) + 1);
  return json.includes(LF) || json.includes(CR) ? Buffer.from(data) : json;
}

function messageBytes(choices: unknown): number {
  if (!Array.isArray(choices)) return 0;
  let bytes = 0;
  for (const choice of choices) {
    if (!isObject(choice) || !isObject(choice.message)) continue;
    for (const key of ['content', 'reasoning_content', 'reasoning', 'refusal']) {
      const value = choice.message[key];
      if (typeof value === 'string') bytes += Buffer.byteLength(value);
    }
    const calls = choice.message.tool_calls;
    if (calls !== undefined && calls !== null) bytes += jsonBytes(calls);
  }
  return bytes;
}

/** The value at a path as it was written: number spellings included. */
function rawAt(bytes: Buffer, path: readonly string[]): string | null {
  let at = 0;
  let end = bytes.length;
  for (const step of path) {
    const found = memberOf(scanObject(bytes, at), step);
    if (found === null) return null;
    at = found.start;
    end = found.end;
  }
  return bytes.toString('utf8', at, end);
}

/** Where the elements of the array under that key lie. */
function elementsAt(bytes: Buffer, key: string): readonly Range[] {
  const member = memberOf(scanObject(bytes), key);
  return (member === null ? null : scanArray(bytes, member.start)) ?? [];
}

function memberOf(scan: ObjectScan | string, key: string) {
  return typeof scan === 'string' ? null : findMember(scan, key);
}

function parseObject(text: string): Json | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isError(error: unknown): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '');
}

function isErrorEvent(bytes: Buffer): boolean {
  const first = bytes.toString('latin1', 0, Math.min(bytes.length, EVENT_LINE_BYTES));
  return /^event: ?error[\r\n]/.test(first);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
