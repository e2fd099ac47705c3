/**
 * The answer side of `openai-completions`: what a chunk or a body says about usage, the end and errors. Streams are the
 * hot path: a frame gets a glance, and only one that can matter is parsed: the first, and those with a count, a stop
 * reason or an error.
 */

import { isObject } from '../lib/json-object.ts';
import { findMember, type Range, scanArray, scanObject } from '../lib/json-splice.ts';
import { frameData } from '../lib/sse-frames.ts';
import type { TextTally } from '../lib/text-tally.ts';
import { Count } from './counters.ts';
import { inclusiveUsage, readInclusiveUsage } from './inclusive-usage.ts';
import { glance } from './openai-glance.ts';
import { type Json, parseJson, rawAt, textOf } from './parsed.ts';
import { PassedText } from './passed-text.ts';
import type { FrameVerdict, Reading, StreamReader } from './reading.ts';
import { reportedCostUsd } from './reported-cost.ts';

/** Where vendors put a usage besides `usage` and a choice's: Groq, Bedrock. */
const AROUND = ['x_groq', 'amazon-bedrock-invocationMetrics'] as const;
const DATA = Buffer.from('data:');
/** As far as `event: error` reaches, with room. */
const EVENT_LINE_BYTES = 32;
const LOWER_D = 0x64;
const SPACE = 0x20;
const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What an answer has said so far; streams and bodies fill the same one. */
class Facts {
  readonly #count = new Count();
  #serviceTier: string | null = null;
  #servedModel: string | null = null;
  #responseId: string | null = null;
  #reportedCostUsd: string | null = null;
  stopReason: string | null = null;
  errorKind: Reading['errorKind'] = null;
  readonly text = new PassedText('openai-completions');

  get hasCount(): boolean {
    return this.#count.counters !== null;
  }

  /** The members that a chunk and a body have in common. Returns whether a usage was among them. */
  take(chunk: Json, bytes: Buffer): boolean {
    this.#responseId ??= textOf(chunk.id);
    this.#servedModel ??= textOf(chunk.model);
    this.#serviceTier = textOf(chunk.service_tier) ?? this.#serviceTier;
    if (isError(chunk.error)) this.errorKind = 'provider_error';
    let hasUsage = this.#takeUsage(chunk.usage, () => rawAt(bytes, ['usage']));
    for (const around of AROUND) {
      const inner = chunk[around];
      if (!isObject(inner)) continue;
      const path = inner.usage === undefined ? [around] : [around, 'usage'];
      hasUsage = this.#takeUsage(inner.usage ?? inner, () => rawAt(bytes, path)) || hasUsage;
    }
    // Ollama's own interface has its counts beside the message.
    if (chunk.eval_count !== undefined) hasUsage = this.#takeUsage(chunk, () => null) || hasUsage;
    return this.#takeChoices(chunk.choices, bytes) || hasUsage;
  }

  reading(): Reading {
    const counted = this.#count.counters === null ? null : inclusiveUsage(this.#count.counters);
    return {
      ...this.#count.facts(counted),
      stopReason: this.stopReason,
      serviceTier: this.#serviceTier,
      servedModel: this.#servedModel,
      responseId: this.#responseId,
      errorKind: this.errorKind,
      ...this.text.facts(),
      reportedCostUsd: this.#reportedCostUsd,
      otherModels: [],
    };
  }

  #takeChoices(choices: unknown, bytes: Buffer): boolean {
    if (!Array.isArray(choices)) return false;
    let hasUsage = false;
    let ranges: readonly Range[] | null = null;
    for (let index = 0; index < choices.length; index++) {
      const choice: unknown = choices[index];
      if (!isObject(choice)) continue;
      this.stopReason = textOf(choice.finish_reason) ?? this.stopReason;
      if (choice.usage === undefined) continue;
      const raw = (): string | null => {
        // One scan finds all choices: there may be very many.
        ranges ??= elementsAt(bytes, 'choices');
        const range = ranges[index];
        return range === undefined ? null : rawAt(bytes.subarray(range.start, range.end), ['usage']);
      };
      hasUsage = this.#takeUsage(choice.usage, raw) || hasUsage;
    }
    return hasUsage;
  }

  #takeUsage(usage: unknown, raw: () => string | null): boolean {
    if (!this.#count.take(() => readInclusiveUsage(usage), raw)) return false;
    // Mistral and OpenRouter name the tier in the usage.
    this.#serviceTier = textOf((usage as Json).service_tier) ?? this.#serviceTier;
    this.#reportedCostUsd = reportedCostUsd(usage) ?? this.#reportedCostUsd;
    this.text.countedSoFar();
    return true;
  }
}

export class ChatStreamReader implements StreamReader {
  readonly #facts = new Facts();
  #isFirst = true;
  #hasStopped = false;
  isWhole = false;

  get outputBytes(): number {
    return this.#facts.text.bytes;
  }

  reading(): Reading {
    return this.#facts.reading();
  }

  frame(bytes: Buffer): FrameVerdict {
    // Data that is an object, as nearly always, is not the last word; every other frame is looked at in full.
    if (!beginsObject(bytes) && frameData(bytes)?.trim() === '[DONE]') return 'terminal';
    const matters = glance(bytes, this.#facts.text.tally);
    // The first chunk names the model; what does not begin with `data` may be an error event.
    return matters || this.#isFirst || bytes[0] !== LOWER_D ? this.#parse(bytes) : 'pass';
  }

  #parse(bytes: Buffer): FrameVerdict {
    const data = frameData(bytes);
    if (data === null || data === '') return 'pass';
    const chunk = parseJson(data);
    if (!isObject(chunk)) return 'pass';
    this.#isFirst = false;
    if (isErrorEvent(bytes)) this.#facts.errorKind = 'provider_error';
    const hasUsage = this.#facts.take(chunk, dataBytes(bytes, data));
    this.#hasStopped ||= this.#facts.stopReason !== null;
    if (hasUsage && this.#hasStopped) this.isWhole = true;
    if (this.#facts.errorKind !== null) return 'error';
    const isEmpty = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return isEmpty && isObject(chunk.usage) ? 'usage-only' : 'pass';
  }
}

export function readChatBody(body: Buffer): Reading {
  const facts = new Facts();
  const parsed = parseJson(body.toString('utf8'));
  if (!isObject(parsed)) {
    facts.errorKind = 'invalid_answer';
    facts.text.tally.addBytes(body);
    return facts.reading();
  }
  facts.take(parsed, body);
  if (!facts.hasCount) addMessages(facts.text.tally, parsed.choices);
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

function addMessages(tally: TextTally, choices: unknown): void {
  if (!Array.isArray(choices)) return;
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    tally.addText(choice.text);
    if (!isObject(choice.message)) continue;
    for (const key of ['content', 'reasoning_content', 'reasoning', 'refusal']) tally.addText(choice.message[key]);
    const calls = choice.message.tool_calls;
    if (calls !== undefined && calls !== null) tally.addText(JSON.stringify(calls));
  }
}

/** Where the elements of the array under that key lie. */
function elementsAt(bytes: Buffer, key: string): readonly Range[] {
  const scan = scanObject(bytes);
  const member = typeof scan === 'string' ? null : findMember(scan, key);
  return (member === null ? null : scanArray(bytes, member.start)) ?? [];
}

function isError(error: unknown): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '');
}

function isErrorEvent(bytes: Buffer): boolean {
  const first = bytes.toString('latin1', 0, Math.min(bytes.length, EVENT_LINE_BYTES));
  return /^event: ?error[\r\n]/.test(first);
}
