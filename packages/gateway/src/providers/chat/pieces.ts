/**
 * An answer on its way from another dialect to a chat completion: a flat list of pieces that says nothing of either form. A
 * vendor's frames and bodies become pieces (from-*.ts), pieces become chunks or a completion (chunks.ts, completion.ts), so
 * that a streamed answer and a whole one cannot say different things.
 */
import type { Json } from '../parsed.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** The body of OpenAI's `error`. */
export interface ChatError {
  message: string;
  type: string;
  code: string | null;
  param: null;
}

export type Piece =
  | { kind: 'head'; id: string | null; model: string | null }
  | { kind: 'text'; text: string }
  /** `detail` is what the provider must be given back for the next turn. */
  | { kind: 'reasoning'; text: string; detail: Json | null }
  /** A picture as a data URL. */
  | { kind: 'image'; url: string }
  | { kind: 'call'; index: number; id: string; name: string; extra: Json | null }
  | { kind: 'arguments'; index: number; text: string }
  /** `native` is the provider's own word. */
  | { kind: 'finish'; reason: FinishReason; native: string; refusal: string | null }
  | { kind: 'error'; error: ChatError };

/** What an answer's form depends on besides the answer. */
export interface Wanted {
  /** Stands for ids that the provider does not give. */
  id: string;
  /** As it was asked for; the provider's own word wins. */
  model: string;
  /** Seconds since the epoch. */
  createdAt: number;
  /** The caller asked for the usage chunk of a stream. */
  usage: boolean;
}
