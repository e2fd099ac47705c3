/**
 * Anthropic's messages as pieces: events of a stream one by one, or a whole message. The provider's own tools and their
 * results have no place in a chat completion and are passed over. Never throws, whatever comes.
 */

import { isObject } from '../../lib/json-object.ts';
import { sseEvent } from '../../lib/sse-event.ts';
import { type Json, objectIn, objectsIn, parseJson, textOf } from '../parsed.ts';
import { chatError } from './errors.ts';
import { parseExact } from './exact-json.ts';
import type { FinishReason, Piece } from './pieces.ts';

const FINISHES: ReadonlyMap<string, FinishReason> = new Map([
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
]);

/** Whose reasoning it is: only its maker takes it back. */
export const REASONING_FORMAT = 'anthropic-claude-v1';

/** Open at once; more are not known again. */
const BLOCKS_MAX = 64;

interface Block {
  type: string;
  /** Of a call, among the calls. */
  call: number;
  hasArguments: boolean;
  /** Of reasoning, among the reasonings. */
  detail: number;
}

export class MessagePieces {
  #calls = 0;
  #details = 0;
  #block: Block | null = null;
  readonly #blocks = new Map<unknown, Block>();

  frame(bytes: Buffer): Piece[] {
    const { name, data } = sseEvent(bytes);
    const event = data === null ? null : parseJson(data);
    if (!isObject(event)) return [];
    return this.#event(textOf(event.type) ?? name ?? '', event, data!);
  }

  /** A whole message, or an error in its place; null where it is neither. */
  body(bytes: Buffer): Piece[] | null {
    const message = parseExact(bytes.toString('utf8'));
    if (!isObject(message)) return null;
    const error = objectIn(message, 'error');
    if (error !== null) return [{ kind: 'error', error: chatError(error, null) }];
    if (!Array.isArray(message.content)) return null;
    const pieces: Piece[] = [headOf(message)];
    for (const block of objectsIn(message, 'content')) pieces.push(...this.#start(null, block), ...this.#stop(null));
    return [...pieces, ...finishOf(message)];
  }

  #event(type: string, event: Json, data: string): Piece[] {
    switch (type) {
      case 'message_start': {
        const message = objectIn(event, 'message') ?? {};
        return [headOf(message), ...finishOf(message)];
      }
      case 'content_block_start': {
        const exact = parseExact(data);
        return this.#start(event.index, (isObject(exact) ? objectIn(exact, 'content_block') : null) ?? {});
      }
      case 'content_block_delta':
        return this.#delta(this.#blocks.get(event.index) ?? this.#block, objectIn(event, 'delta') ?? {});
      case 'content_block_stop':
        return this.#stop(event.index);
      default: {
        const error = objectIn(event, 'error');
        if (error !== null || type === 'error') return [{ kind: 'error', error: chatError(error, null) }];
        const delta = objectIn(event, 'delta');
        return delta === null ? [] : finishOf(delta);
      }
    }
  }

  #start(index: unknown, given: Json): Piece[] {
    const block: Block = { type: textOf(given.type) ?? '', call: -1, hasArguments: false, detail: -1 };
    this.#block = block;
    // Blocks follow each other: one that never ends is a mistake, and must not be kept for ever.
    if (this.#blocks.size >= BLOCKS_MAX) this.#blocks.clear();
    this.#blocks.set(index, block);
    switch (given.type) {
      case 'text':
        return textPieces(given.text);
      case 'thinking': {
        block.detail = this.#details++;
        const pieces = this.#thinking(block, given.thinking);
        return textOf(given.signature) === null ? pieces : [...pieces, ...this.#signature(block, given.signature)];
      }
      case 'redacted_thinking': {
        const detail = {
          type: 'reasoning.encrypted',
          index: this.#details++,
          data: given.data,
          format: REASONING_FORMAT,
        };
        return [{ kind: 'reasoning', text: '', detail }];
      }
      case 'tool_use':
        return this.#call(block, given);
      default:
        return [];
    }
  }

  #call(block: Block, { id, name, input }: Json): Piece[] {
    const index = this.#calls++;
    block.call = index;
    const call: Piece = {
      kind: 'call',
      index,
      id: textOf(id) ?? `call_${index}`,
      name: textOf(name) ?? '',
      extra: null,
    };
    // A stream begins with an empty input and brings it in deltas.
    if (!isObject(input) || Object.keys(input).length === 0) return [call];
    block.hasArguments = true;
    return [call, { kind: 'arguments', index, text: JSON.stringify(input) }];
  }

  #delta(block: Block | null, delta: Json): Piece[] {
    switch (delta.type) {
      case 'text_delta':
        return textPieces(delta.text);
      case 'thinking_delta':
        return block === null ? [] : this.#thinking(block, delta.thinking);
      case 'signature_delta':
        return block === null ? [] : this.#signature(block, delta.signature);
      case 'input_json_delta': {
        const text = delta.partial_json;
        if (block === null || block.type !== 'tool_use' || typeof text !== 'string' || text === '') return [];
        block.hasArguments = true;
        return [{ kind: 'arguments', index: block.call, text }];
      }
      default:
        return [];
    }
  }

  #stop(index: unknown): Piece[] {
    const block = this.#blocks.get(index);
    this.#blocks.delete(index);
    if (block === undefined || block.type !== 'tool_use' || block.hasArguments) return [];
    // A call without arguments: whoever parses them expects an object.
    return [{ kind: 'arguments', index: block.call, text: '{}' }];
  }

  #thinking({ detail: index }: Block, text: unknown): Piece[] {
    if (typeof text !== 'string' || text === '') return [];
    return [{ kind: 'reasoning', text, detail: { type: 'reasoning.text', index, text, format: REASONING_FORMAT } }];
  }

  #signature({ detail: index }: Block, signature: unknown): Piece[] {
    if (typeof signature !== 'string' || signature === '') return [];
    const detail = { type: 'reasoning.text', index, signature, format: REASONING_FORMAT };
    return [{ kind: 'reasoning', text: '', detail }];
  }
}

function textPieces(text: unknown): Piece[] {
  return typeof text === 'string' && text !== '' ? [{ kind: 'text', text }] : [];
}

function headOf(message: Json): Piece {
  return { kind: 'head', id: textOf(message.id), model: textOf(message.model) };
}

function finishOf(message: Json): Piece[] {
  const native = textOf(message.stop_reason);
  if (native === null) return [];
  const refusal = native === 'refusal' ? textOf(objectIn(message, 'stop_details')?.explanation) : null;
  return [{ kind: 'finish', reason: FINISHES.get(native) ?? 'stop', native, refusal }];
}
