/**
 * The answer side of `openai-completions`: what a chunk or a body says about usage, the end and errors. Streams are the
 * hot path: a frame becomes a Latin-1 string once (each character is one byte), and only a frame that can matter is
 * parsed: the first, one with a count, a stop reason or an error. Keys inside JSON strings are escaped, so a search for
 * a quoted key never misses one and at worst parses a frame for nothing.
 */
import { findMember, type ObjectScan, scanArray, scanObject } from '../lib/json-splice.ts';
import { frameData } from '../lib/sse-frames.ts';
import type { Anomaly, FrameVerdict, Reading, StreamReader } from './dialect.ts';
import { type Counters, mergeCounters, readCounters, usageOf } from './openai-usage.ts';

type Json = Record<string, unknown>;

/** Where generated text stands in a delta, the usual place first. */
const TEXT_KEYS = ['"content"', '"reasoning_content"', '"reasoning"', '"arguments"', '"refusal"'] as const;
const TERMINAL_BYTES_MAX = 32;
const SPACE = 0x20;
const COLON = 0x3a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_N = 0x6e;

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
  take(chunk: Json, text: string): boolean {
    this.responseId ??= textOf(chunk.id);
    this.servedModel ??= textOf(chunk.model);
    this.serviceTier = textOf(chunk.service_tier) ?? this.serviceTier;
    if (isError(chunk.error)) this.errorKind = 'provider_error';
    let hasUsage = this.#takeUsage(chunk.usage, text, ['usage']);
    if (isObject(chunk.x_groq)) hasUsage = this.#takeUsage(chunk.x_groq.usage, text, ['x_groq', 'usage']) || hasUsage;
    if (!Array.isArray(chunk.choices)) return hasUsage;
    for (let index = 0; index < chunk.choices.length; index++) {
      const choice: unknown = chunk.choices[index];
      if (!isObject(choice)) continue;
      this.stopReason = textOf(choice.finish_reason) ?? this.stopReason;
      if (choice.usage === undefined) continue;
      hasUsage = this.#takeUsage(choice.usage, text, ['choices', index, 'usage']) || hasUsage;
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

  #takeUsage(usage: unknown, text: string, path: readonly (string | number)[]): boolean {
    const counters = readCounters(usage);
    if (counters === null) return false;
    if (counters === 'malformed') {
      this.anomaly = 'usage_malformed';
      this.#rejectedRaw = rawAt(text, path);
      return false;
    }
    if (this.counters === null) this.counters = counters;
    else if (mergeCounters(this.counters, counters)) this.anomaly ??= 'usage_decreased';
    // The longest is the most complete; of equals the latest counts.
    const raw = rawAt(text, path);
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
    const text = bytes.toString('latin1');
    if (bytes.length <= TERMINAL_BYTES_MAX && text.includes('[DONE]') && frameData(bytes)?.trim() === '[DONE]') {
      return 'terminal';
    }
    const outputBytes = deltaBytes(text);
    this.#facts.outputBytes += outputBytes;
    // A delta that brought text is not an error event; the search for one is spared.
    const mayMatter =
      this.#isFirst || text.includes('_tokens"') || stops(text) || (outputBytes === 0 && text.includes('error'));
    return mayMatter ? this.#parse(bytes) : 'pass';
  }

  #parse(bytes: Buffer): FrameVerdict {
    const data = frameData(bytes);
    if (data === null || data === '') return 'pass';
    const chunk = parseObject(data);
    if (chunk === null) return 'pass';
    this.#isFirst = false;
    if (isErrorEvent(bytes)) this.#facts.errorKind = 'provider_error';
    const hasUsage = this.#facts.take(chunk, data);
    this.#hasStopped ||= this.#facts.stopReason !== null;
    if (hasUsage && this.#hasStopped) this.isWhole = true;
    if (this.#facts.errorKind !== null) return 'error';
    const isEmpty = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return isEmpty && isObject(chunk.usage) ? 'usage-only' : 'pass';
  }
}

export function readChatBody(body: Buffer): Reading {
  const facts = new Facts();
  const text = body.toString('utf8');
  const parsed = parseObject(text);
  if (parsed === null) {
    facts.errorKind = 'invalid_answer';
    facts.outputBytes = body.length;
    return facts.reading();
  }
  facts.take(parsed, text);
  if (facts.counters === null) facts.outputBytes = messageBytes(parsed.choices);
  return facts.reading();
}

/** Bytes of generated text in the frame's delta. */
function deltaBytes(text: string): number {
  for (const key of TEXT_KEYS) {
    let bytes = 0;
    for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + key.length)) {
      bytes += stringBytesAt(text, at + key.length);
    }
    if (bytes > 0) return bytes;
  }
  return 0;
}

/** The length of the JSON string that follows a key, in bytes of UTF-8; 0 when another kind of value follows. */
function stringBytesAt(text: string, behindKey: number): number {
  const start = valueAt(text, behindKey);
  if (text.charCodeAt(start) !== QUOTE) return 0;
  let escapes = 0;
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return escapes === 0 ? at - start - 1 : unescapedBytes(text.slice(start, at + 1));
    if (code === BACKSLASH) {
      escapes++;
      at++;
    }
  }
  return 0;
}

/** `text` is Latin-1, so a character is a byte except where it was escaped. */
function unescapedBytes(text: string): number {
  let bytes = text.length - 2;
  for (const [escaped] of text.matchAll(/\\(?:u[0-9a-fA-F]{4}|.)/g)) {
    if (escaped.length === 2) bytes -= 1;
    else bytes -= 6 - utf8Bytes(Number.parseInt(escaped.slice(2), 16));
  }
  return bytes;
}

function utf8Bytes(unit: number): number {
  if (unit < 0x80) return 1;
  // Each half of a surrogate pair is two of its four bytes.
  return unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
}

/** Whether any choice names a stop reason; `null`, which most chunks carry, does not. */
function stops(text: string): boolean {
  const key = '"finish_reason"';
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + key.length)) {
    if (text.charCodeAt(valueAt(text, at + key.length)) !== LOWER_N) return true;
  }
  return false;
}

/** Where the value of a key starts, whose closing quote ends at `behindKey`. */
function valueAt(text: string, behindKey: number): number {
  let at = behindKey;
  let code = text.charCodeAt(at);
  while (code === COLON || code === SPACE) code = text.charCodeAt(++at);
  return at;
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
    if (calls !== undefined && calls !== null) bytes += Buffer.byteLength(JSON.stringify(calls));
  }
  return bytes;
}

/** The value at a path as it was written: number spellings included. */
function rawAt(text: string, path: readonly (string | number)[]): string | null {
  const bytes = Buffer.from(text);
  let at = 0;
  let end = bytes.length;
  for (const step of path) {
    const found = typeof step === 'number' ? scanArray(bytes, at)?.[step] : memberOf(scanObject(bytes, at), step);
    if (found === undefined || found === null) return null;
    at = found.start;
    end = found.end;
  }
  return bytes.toString('utf8', at, end);
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
  const first = bytes.toString('latin1', 0, Math.min(bytes.length, TERMINAL_BYTES_MAX));
  return /^event: ?error[\r\n]/.test(first);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
