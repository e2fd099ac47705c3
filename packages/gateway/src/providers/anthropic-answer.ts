/**
 * The answer side of `anthropic-messages`: what an event or a body says about usage, the end and errors. Usage comes
 * in parts that complete each other: the first event has the prompt's, the last the answer's, both cumulative. The end
 * is `message_stop`; an `error` event is an end of its own kind.
 */

import { isObject } from '../lib/json-object.ts';
import { sseEvent } from '../lib/sse-event.ts';
import {
  advisorCounters,
  fallbackModel,
  messageUsage,
  readInvocationMetrics,
  readMessageUsage,
} from './anthropic-usage.ts';
import { Count, type Counters } from './counters.ts';
import { deltaKind, tallyDelta } from './delta-glance.ts';
import { isDone, type Json, objectIn, objectsIn, parseJson, rawAt, textOf } from './parsed.ts';
import { PassedText } from './passed-text.ts';
import type { FrameVerdict, Reading, StreamReader } from './reading.ts';
import { reportedCostUsd } from './reported-cost.ts';

/** What a delta says is in one of these; a compaction's is its `content`. */
const DELTA_TEXTS = ['text', 'thinking', 'partial_json', 'content'] as const;
const DELTAS = [deltaKind('content_block_delta', DELTA_TEXTS)];
const METRICS = 'amazon-bedrock-invocationMetrics';

class MessageFacts {
  readonly #count = new Count();
  #advisors: Map<string, Counters> = new Map();
  #fallbackModel: string | null = null;
  #serviceTier: string | null = null;
  #place: string | null = null;
  #servedModel: string | null = null;
  #responseId: string | null = null;
  #reportedCostUsd: string | null = null;
  stopReason: string | null = null;
  errorKind: Reading['errorKind'] = null;
  readonly text = new PassedText('anthropic-messages');

  /** A message, whole in a body or begun in a `message_start`, which may come again or be spliced in. */
  takeMessage(message: Json, raw: (key: string) => string | null): boolean {
    this.#responseId ??= textOf(message.id);
    this.#servedModel ??= textOf(message.model);
    this.stopReason = textOf(message.stop_reason) ?? this.stopReason;
    for (const block of objectsIn(message, 'content')) this.takeBlock(block);
    return this.takeUsage(message.usage, () => raw('usage'));
  }

  takeUsage(usage: unknown, raw: () => string | null): boolean {
    const served = fallbackModel(usage);
    if (served !== null) {
      this.#fallbackModel = served;
      this.#count.restart();
      this.#advisors = new Map();
    }
    const hasCounted = this.#count.take(() => readMessageUsage(usage), raw);
    if (!hasCounted) return false;
    const advisors = advisorCounters(usage);
    if (advisors.size > 0) this.#advisors = advisors;
    const { service_tier: tier, speed, inference_geo: place } = usage as Json;
    // Fast mode has a price of its own, as a tier has.
    this.#serviceTier = (speed === 'fast' ? speed : textOf(tier)) ?? this.#serviceTier;
    this.#place = textOf(place) ?? this.#place;
    // OpenRouter and xAI say it in this dialect too.
    this.#reportedCostUsd = reportedCostUsd(usage) ?? this.#reportedCostUsd;
    this.text.countedSoFar();
    return true;
  }

  takeMetrics(event: Json, raw: (key: string) => string | null): void {
    this.#count.take(
      () => readInvocationMetrics(event[METRICS]),
      () => raw(METRICS),
    );
  }

  takeBlock(block: Json): void {
    const model = block.type === 'fallback' ? textOf(objectIn(block, 'to')?.model) : null;
    if (model !== null) this.#fallbackModel = model;
    const { tally } = this.text;
    tally.addText(block.text);
    tally.addText(block.thinking);
    // A stream begins with an empty input and brings it in deltas.
    if (isObject(block.input) && Object.keys(block.input).length > 0) tally.addText(JSON.stringify(block.input));
  }

  takeDelta(delta: Json): void {
    const { tally } = this.text;
    for (const key of DELTA_TEXTS) tally.addText(delta[key]);
  }

  reading(): Reading {
    const counted = this.#count.counters === null ? null : messageUsage(this.#count.counters);
    return {
      ...this.#count.facts(counted),
      stopReason: this.stopReason,
      serviceTier: tierAt(this.#serviceTier, this.#place),
      servedModel: this.#fallbackModel ?? this.#servedModel,
      responseId: this.#responseId,
      errorKind: this.errorKind,
      ...this.text.facts(),
      reportedCostUsd: this.#reportedCostUsd,
      otherModels: [...this.#advisors].map(([model, counters]) => ({ model, usage: messageUsage(counters).usage })),
    };
  }
}

/** `global` is anywhere at the plain price, `not_available` a model that runs anywhere. */
const ANYWHERE = new Set(['global', 'not_available']);

/**
 * Where the inference ran has a price of its own, on top of the tier's: `us-inference`, `fast+us-inference`.
 * https://platform.claude.com/docs/en/manage-claude/data-residency
 */
function tierAt(tier: string | null, place: string | null): string | null {
  if (place === null || ANYWHERE.has(place)) return tier;
  return tier === null || tier === 'standard' ? `${place}-inference` : `${tier}+${place}-inference`;
}

export class MessageStreamReader implements StreamReader {
  readonly #facts = new MessageFacts();
  isWhole = false;

  get outputBytes(): number {
    return this.#facts.text.bytes;
  }

  reading(): Reading {
    return this.#facts.reading();
  }

  frame(bytes: Buffer): FrameVerdict {
    if (tallyDelta(bytes, DELTAS, this.#facts.text.tally)) return 'pass';
    const { name, data } = sseEvent(bytes);
    if (data === null || data === '') return 'pass';
    if (isDone(data)) return 'terminal';
    const event = parseJson(data);
    if (!isObject(event)) return 'pass';
    return this.#take(textOf(event.type) ?? name, event, (path) => rawAt(Buffer.from(data), path));
  }

  #take(type: string | null, event: Json, rawOf: (path: readonly string[]) => string | null): FrameVerdict {
    const facts = this.#facts;
    switch (type) {
      case 'message_start':
        if (isObject(event.message)) facts.takeMessage(event.message, (key) => rawOf(['message', key]));
        return 'pass';
      case 'content_block_start':
        if (isObject(event.content_block)) facts.takeBlock(event.content_block);
        return 'pass';
      case 'content_block_delta':
        if (isObject(event.delta)) facts.takeDelta(event.delta);
        return 'pass';
      case 'message_stop':
        facts.takeUsage(event.usage, () => rawOf(['usage']));
        facts.takeMetrics(event, (key) => rawOf([key]));
        return 'terminal';
      case 'error':
        facts.errorKind = 'provider_error';
        return 'error';
      default:
        return this.#takeOther(event, rawOf);
    }
  }

  /** `message_delta`, and any event unknown to us that brings a usage or an error. */
  #takeOther(event: Json, rawOf: (path: readonly string[]) => string | null): FrameVerdict {
    const facts = this.#facts;
    const stop = textOf(objectIn(event, 'delta')?.stop_reason);
    facts.stopReason = stop ?? facts.stopReason;
    const hasCounted = facts.takeUsage(event.usage, () => rawOf(['usage']));
    if (hasCounted && facts.stopReason !== null) this.isWhole = true;
    if (!isObject(event.error)) return 'pass';
    facts.errorKind = 'provider_error';
    return 'error';
  }
}

export function readMessageBody(body: Buffer): Reading {
  const facts = new MessageFacts();
  const message = parseJson(body.toString('utf8'));
  if (!isObject(message)) {
    facts.errorKind = 'invalid_answer';
    facts.text.tally.addBytes(body);
    return facts.reading();
  }
  if (message.type === 'error' || isObject(message.error)) facts.errorKind = 'provider_error';
  facts.takeMessage(message, (key) => rawAt(body, [key]));
  return facts.reading();
}
