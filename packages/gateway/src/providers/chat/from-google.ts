/**
 * Gemini's responses as pieces: each chunk of a stream is a response, and so is a body, or a list of them. Only the first
 * candidate is read, because only one is asked for. Never throws, whatever comes.
 */

import { isObject } from '../../lib/json-object.ts';
import { sseEvent } from '../../lib/sse-event.ts';
import { unwrapped } from '../google-answer.ts';
import { type Json, objectIn, objectsIn, textOf } from '../parsed.ts';
import { chatError } from './errors.ts';
import { parseExact } from './exact-json.ts';
import type { FinishReason, Piece } from './pieces.ts';

const NOT_FINISHED = new Set(['FINISH_REASON_UNSPECIFIED', 'CONTINUATION']);
const FINISHES: ReadonlyMap<string, FinishReason> = new Map([
  ['MAX_TOKENS', 'length'],
  ...[
    'SAFETY',
    'RECITATION',
    'LANGUAGE',
    'BLOCKLIST',
    'PROHIBITED_CONTENT',
    'SPII',
    'IMAGE_SAFETY',
    'IMAGE_PROHIBITED_CONTENT',
    'IMAGE_RECITATION',
  ].map((word) => [word, 'content_filter'] as const),
]);

export class ResponsePieces {
  readonly #ownId: string;
  #id: string | null = null;
  #calls = 0;

  constructor(ownId: string) {
    this.#ownId = ownId;
  }

  frame(bytes: Buffer): Piece[] {
    const { data } = sseEvent(bytes);
    const event = data === null ? null : parseExact(data);
    return isObject(event) ? this.#response(event) : [];
  }

  /** A whole answer, or an error in its place; null where it is neither. */
  body(bytes: Buffer): Piece[] | null {
    const parsed = parseExact(bytes.toString('utf8'));
    if (Array.isArray(parsed)) return parsed.filter(isObject).flatMap((response) => this.#response(response));
    return isObject(parsed) ? this.#response(parsed) : null;
  }

  #response(event: Json): Piece[] {
    const { response } = unwrapped(event);
    const error = objectIn(response, 'error');
    if (error !== null) return [{ kind: 'error', error: chatError(error, null) }];
    this.#id ??= textOf(response.responseId);
    const pieces: Piece[] = [{ kind: 'head', id: this.#id, model: textOf(response.modelVersion) }];
    const candidate = objectsIn(response, 'candidates')[0] ?? null;
    for (const part of objectsIn(objectIn(candidate, 'content'), 'parts')) pieces.push(...this.#part(part));
    const blocked = textOf(objectIn(response, 'promptFeedback')?.blockReason);
    if (blocked !== null) pieces.push({ kind: 'finish', reason: 'content_filter', native: blocked, refusal: null });
    const native = textOf(candidate?.finishReason);
    if (native === null || NOT_FINISHED.has(native)) return pieces;
    const reason = FINISHES.get(native) ?? (this.#calls > 0 ? 'tool_calls' : 'stop');
    return [...pieces, { kind: 'finish', reason, native, refusal: null }];
  }

  #part(part: Json): Piece[] {
    const call = objectIn(part, 'functionCall');
    if (call !== null) return this.#call(call, textOfAny(part.thoughtSignature));
    const image = objectIn(part, 'inlineData');
    if (image !== null) {
      const mime = textOf(image.mimeType) ?? 'application/octet-stream';
      return [{ kind: 'image', url: `data:${mime};base64,${textOfAny(image.data) ?? ''}` }];
    }
    const text = textOfAny(part.text);
    if (text === null) return [];
    return part.thought === true ? [{ kind: 'reasoning', text, detail: null }] : [{ kind: 'text', text }];
  }

  #call({ id, name, args }: Json, signature: string | null): Piece[] {
    const index = this.#calls++;
    return [
      {
        kind: 'call',
        index,
        id: textOf(id) ?? `call_${this.#id ?? this.#ownId}_${index}`,
        name: textOf(name) ?? '',
        // As Google's own OpenAI endpoint has it.
        extra: signature === null ? null : { google: { thought_signature: signature } },
      },
      { kind: 'arguments', index, text: isObject(args) ? JSON.stringify(args) : '{}' },
    ];
  }
}

/** Of any length. */
function textOfAny(text: unknown): string | null {
  return typeof text === 'string' && text !== '' ? text : null;
}
