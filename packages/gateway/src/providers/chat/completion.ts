/** Pieces as one whole chat completion, or as the error that came in its place. */
import type { Usage } from '@weighbridge/protocol';
import type { Json } from '../parsed.ts';
import type { Piece, Wanted } from './pieces.ts';
import { addDetail } from './reasoning-details.ts';
import { chatUsage } from './usage.ts';

interface Call {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
  extra_content?: Json;
}

interface Gathered {
  head: { id: string | null; model: string | null };
  text: string | null;
  reasoning: string;
  details: Json[];
  images: object[];
  calls: Map<number, Call>;
  finish: { reason: string; native: string | null; refusal: string | null };
}

export function completionOf(pieces: readonly Piece[], usage: Usage | null, wanted: Wanted): object {
  const failed = pieces.find((piece) => piece.kind === 'error');
  if (failed !== undefined) return { error: failed.error };
  const { head, text, reasoning, details, images, calls, finish } = gathered(pieces);
  const message = {
    role: 'assistant',
    content: text,
    refusal: finish.refusal,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(details.length === 0 ? {} : { reasoning_details: details }),
    ...(images.length === 0 ? {} : { images }),
    ...(calls.size === 0 ? {} : { tool_calls: [...calls.values()] }),
  };
  return {
    id: head.id ?? wanted.id,
    object: 'chat.completion',
    created: wanted.createdAt,
    model: head.model ?? wanted.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish.reason, native_finish_reason: finish.native }],
    ...(usage === null ? {} : { usage: chatUsage(usage) }),
  };
}

function gathered(pieces: readonly Piece[]): Gathered {
  const all: Gathered = {
    head: { id: null, model: null },
    text: null,
    reasoning: '',
    details: [],
    images: [],
    calls: new Map(),
    finish: { reason: 'stop', native: null, refusal: null },
  };
  for (const piece of pieces) gather(piece, all);
  return all;
}

function gather(piece: Piece, all: Gathered): void {
  switch (piece.kind) {
    case 'head':
      all.head = { id: all.head.id ?? piece.id, model: all.head.model ?? piece.model };
      return;
    case 'text':
      all.text = (all.text ?? '') + piece.text;
      return;
    case 'reasoning':
      all.reasoning += piece.text;
      if (piece.detail !== null) addDetail(all.details, piece.detail);
      return;
    case 'image':
      all.images.push({ type: 'image_url', image_url: { url: piece.url } });
      return;
    case 'call': {
      const { index, id, name, extra } = piece;
      const call: Call = { id, type: 'function', function: { name, arguments: '' } };
      all.calls.set(index, extra === null ? call : { ...call, extra_content: extra });
      return;
    }
    case 'arguments': {
      const call = all.calls.get(piece.index);
      if (call !== undefined) call.function.arguments += piece.text;
      return;
    }
    case 'finish':
      all.finish = piece;
  }
}
