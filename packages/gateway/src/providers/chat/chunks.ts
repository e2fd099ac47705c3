/**
 * Pieces as the chunks of a streamed chat completion. What ends the answer (finish reason, usage, `[DONE]`) is written by
 * `end`, because it waits for the ledger; a finish reason may come early and twice, and more text behind it.
 */
import type { Usage } from '@weighbridge/protocol';
import type { Piece, Wanted } from './pieces.ts';
import { chatUsage } from './usage.ts';

const DONE = 'data: [DONE]\n\n';

export class ChunkWriter {
  readonly #wanted: Wanted;
  /** All of a chunk before its choices; null until the first is written. */
  #opening: string | null = null;
  #finish: Extract<Piece, { kind: 'finish' }> | null = null;
  /** An error was the end. */
  #isOver = false;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  write(pieces: readonly Piece[]): string {
    let text = '';
    for (const piece of pieces) if (!this.#isOver) text += this.#piece(piece);
    return text;
  }

  /** What is still due where the answer has ended as it should. */
  end(usage: Usage | null): string {
    if (this.#isOver) return '';
    this.#isOver = true;
    const { reason, native, refusal } = this.#finish ?? { reason: 'stop', native: null, refusal: null };
    const choice = JSON.stringify({
      index: 0,
      delta: refusal === null ? {} : { refusal },
      finish_reason: reason,
      native_finish_reason: native,
    });
    let text = `${this.#begin(null, null)}${this.#opening}"choices":[${choice}]}\n\n`;
    if (this.#wanted.usage && usage !== null) {
      text += `${this.#opening}"choices":[],"usage":${JSON.stringify(chatUsage(usage))}}\n\n`;
    }
    return text + DONE;
  }

  #piece(piece: Piece): string {
    switch (piece.kind) {
      case 'head':
        return this.#begin(piece.id, piece.model);
      case 'finish':
        this.#finish = piece;
        return '';
      case 'error':
        this.#isOver = true;
        return `data: ${JSON.stringify({ error: piece.error })}\n\n`;
      default:
        return this.#begin(null, null) + this.#delta(deltaOf(piece));
    }
  }

  /** The first chunk, once. */
  #begin(id: string | null, model: string | null): string {
    if (this.#opening !== null) return '';
    const { id: ownId, model: asked, createdAt } = this.#wanted;
    const head = {
      id: id ?? ownId,
      object: 'chat.completion.chunk',
      created: createdAt,
      model: model ?? asked,
    };
    this.#opening = `data: ${JSON.stringify(head).slice(0, -1)},`;
    return this.#delta({ role: 'assistant', content: '' });
  }

  #delta(delta: object): string {
    return `${this.#opening}"choices":[{"index":0,"delta":${JSON.stringify(delta)},"finish_reason":null}]}\n\n`;
  }
}

type ContentPiece = Exclude<Piece, { kind: 'head' | 'finish' | 'error' }>;

function deltaOf(piece: ContentPiece): object {
  switch (piece.kind) {
    case 'text':
      return { content: piece.text };
    case 'reasoning':
      return {
        ...(piece.text === '' ? {} : { reasoning_content: piece.text }),
        ...(piece.detail === null ? {} : { reasoning_details: [piece.detail] }),
      };
    case 'image':
      return { images: [{ type: 'image_url', image_url: { url: piece.url } }] };
    case 'call': {
      const { index, id, name, extra } = piece;
      const call = { index, id, type: 'function', function: { name, arguments: '' } };
      return { tool_calls: [extra === null ? call : { ...call, extra_content: extra }] };
    }
    case 'arguments':
      return { tool_calls: [{ index: piece.index, function: { arguments: piece.text } }] };
  }
}
