/**
 * The answer side of `openai-responses`: what an event or a body says about usage, the end and errors. The last event
 * (`response.completed`, `.incomplete`, `.failed`) carries the whole response, usage among it; a body is that response.
 * Deltas say only how much text has passed. Facts: openai 7.55.0, resources/responses.
 */

import { isObject } from '../lib/json-object.ts';
import { sseEvent } from '../lib/sse-event.ts';
import type { TextTally } from '../lib/text-tally.ts';
import { addTool, Count, type Counters, countsTool, isCount } from './counters.ts';
import { deltaKind, tallyDelta } from './delta-glance.ts';
import { inclusiveUsage, readInclusiveUsage } from './inclusive-usage.ts';
import { isDone, type Json, objectIn, objectsIn, parseJson, rawAt, textOf } from './parsed.ts';
import { PassedText } from './passed-text.ts';
import type { FrameVerdict, Reading, StreamReader } from './reading.ts';
import { reportedCostUsd } from './reported-cost.ts';

const DELTAS = ['output_text', 'function_call_arguments', 'reasoning_summary_text', 'reasoning_text'].map((name) =>
  deltaKind(`response.${name}.delta`, ['delta']),
);
const TERMINAL = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
  'response.done', // OpenRouter's
]);
/** The statuses of a response that is over. */
const ENDED = new Set(['completed', 'incomplete', 'failed', 'cancelled']);
/** Deltas of sound and pictures, which are no text. */
const NO_TEXT = new Set(['response.audio.delta', 'response.image_generation_call.partial_image']);
/** Output items that are calls of the provider's own tools, by what they are called in a usage. */
const TOOL_ITEMS: ReadonlyMap<unknown, string> = new Map([
  ['web_search_call', 'web_search'],
  ['file_search_call', 'file_search'],
  ['code_interpreter_call', 'code_interpreter'],
  ['image_generation_call', 'image_generation'],
  ['x_search_call', 'x_search'], // xAI
]);

class ResponseFacts {
  readonly #count = new Count();
  #tools = new Map<string, number>();
  #serviceTier: string | null = null;
  #servedModel: string | null = null;
  #responseId: string | null = null;
  #reportedCostUsd: string | null = null;
  stopReason: string | null = null;
  errorKind: Reading['errorKind'] = null;
  readonly text = new PassedText('openai-responses');

  /** A response object, in a body or in an event. Returns whether it brought a count. */
  takeResponse(response: Json, raw: (key: string) => string | null): boolean {
    this.#responseId ??= textOf(response.id);
    this.#servedModel = textOf(response.model) ?? this.#servedModel;
    // Asked for as `auto`, answered with the tier that served.
    this.#serviceTier = textOf(response.service_tier) ?? this.#serviceTier;
    const status = textOf(response.status);
    if (status !== null && ENDED.has(status)) {
      this.stopReason = textOf(objectIn(response, 'incomplete_details')?.reason) ?? status;
    }
    if (isObject(response.error) || status === 'failed') this.errorKind = 'provider_error';
    this.#takeTools(response);
    const hasCounted = this.#count.take(
      () => readInclusiveUsage(response.usage),
      () => raw('usage'),
    );
    if (hasCounted) this.text.countedSoFar();
    this.#reportedCostUsd = reportedCostUsd(response.usage) ?? this.#reportedCostUsd;
    return hasCounted;
  }

  /** An output item that is done: known calls are counted, should the stream not reach its end. */
  takeItem(item: Json): void {
    const tool = toolOf(item);
    if (tool !== null) this.#tools.set(tool, (this.#tools.get(tool) ?? 0) + 1);
  }

  reading(): Reading {
    const counters = this.#withTools();
    const counted = counters === null ? null : inclusiveUsage(counters);
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

  /** `tool_usage`, and what the usage itself says, count what is billed; without them the calls among the output are what we have. */
  #takeTools(response: Json): void {
    const items = objectsIn(response, 'output');
    if (items.length > 0) {
      this.#tools.clear();
      for (const item of items) this.takeItem(item);
    }
    const billed = objectIn(objectIn(response, 'tool_usage'), 'web_search')?.num_requests;
    if (isCount(billed)) this.#tools.set('web_search', billed);
  }

  #withTools(): Counters | null {
    if (this.#count.counters === null) return null;
    const counters = new Map(this.#count.counters);
    // xAI's output has the calls that it tried, its usage those that it charges, perhaps none.
    for (const [tool, calls] of this.#tools) if (!countsTool(counters, tool)) addTool(counters, tool, calls);
    return counters;
  }
}

export class ResponseStreamReader implements StreamReader {
  readonly #facts = new ResponseFacts();
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
    return this.#take(textOf(event.type) ?? name ?? '', event, data);
  }

  #take(type: string, event: Json, data: string): FrameVerdict {
    const facts = this.#facts;
    if (type.endsWith('.delta')) {
      if (!NO_TEXT.has(type)) facts.text.tally.addText(event.delta);
      return 'pass';
    }
    if (type === 'response.output_item.done' && isObject(event.item)) facts.takeItem(event.item);
    if (isObject(event.response)) {
      const hasCounted = facts.takeResponse(event.response, (key) => rawAt(Buffer.from(data), ['response', key]));
      if (hasCounted && facts.stopReason !== null) this.isWhole = true;
    }
    if (type === 'error' || isObject(event.error)) facts.errorKind = 'provider_error';
    if (TERMINAL.has(type)) return 'terminal';
    return facts.errorKind === null ? 'pass' : 'error';
  }
}

export function readResponseBody(body: Buffer): Reading {
  const facts = new ResponseFacts();
  const response = parseJson(body.toString('utf8'));
  if (!isObject(response)) {
    facts.errorKind = 'invalid_answer';
    facts.text.tally.addBytes(body);
    return facts.reading();
  }
  for (const item of objectsIn(response, 'output')) addItem(facts.text.tally, item);
  facts.takeResponse(response, (key) => rawAt(body, [key]));
  return facts.reading();
}

function toolOf(item: Json): string | null {
  const tool = TOOL_ITEMS.get(item.type) ?? null;
  // Opening a page and looking inside one are no searches (openai 7.55.0, Response.ToolUsage).
  const action = textOf(objectIn(item, 'action')?.type);
  return tool === 'web_search' && action !== null && action !== 'search' ? null : tool;
}

function addItem(tally: TextTally, item: Json): void {
  for (const key of ['arguments', 'input', 'code']) tally.addText(item[key]);
  for (const key of ['content', 'summary']) {
    for (const part of objectsIn(item, key)) {
      tally.addText(part.text);
      tally.addText(part.refusal);
    }
  }
}
