/**
 * Answers of other dialects as chat completions: frame by frame, or whole. What an answer cost is not read here but by the
 * dialect's own reader (readers.ts), from the same bytes.
 */
import type { Usage } from '@weighbridge/protocol';
import type { Api } from '../../domain/provider.ts';
import { ChunkWriter } from './chunks.ts';
import { completionOf } from './completion.ts';
import { errorBody } from './errors.ts';
import { MessagePieces } from './from-anthropic.ts';
import { ResponsePieces } from './from-google.ts';
import type { Piece, Wanted } from './pieces.ts';

export type { Wanted } from './pieces.ts';

/** A stream on its way; never throws over what a provider sent. */
export interface TranslatedStream {
  /** What the caller gets for one frame; null for nothing. */
  frame(bytes: Buffer): Buffer | null;
  /** What is due at the end, with the answer's count; null where it has had its end. */
  end(usage: Usage | null): Buffer | null;
}

export interface Translation {
  stream(wanted: Wanted): TranslatedStream;
  /** Null: it is no answer of the dialect. */
  body(bytes: Buffer, usage: Usage | null, wanted: Wanted): Buffer | null;
  error(status: number, bytes: Buffer): Buffer;
}

interface Source {
  frame(bytes: Buffer): Piece[];
  body(bytes: Buffer): Piece[] | null;
}

function translation(sourceFor: (wanted: Wanted) => Source): Translation {
  return {
    stream(wanted) {
      const source = sourceFor(wanted);
      const writer = new ChunkWriter(wanted);
      return {
        frame: (bytes) => bytesOf(writer.write(source.frame(bytes))),
        end: (usage) => bytesOf(writer.end(usage)),
      };
    },
    body(bytes, usage, wanted) {
      const pieces = sourceFor(wanted).body(bytes);
      return pieces === null ? null : Buffer.from(JSON.stringify(completionOf(pieces, usage, wanted)));
    },
    error: (status, bytes) => Buffer.from(JSON.stringify(errorBody(status, bytes))),
  };
}

function bytesOf(text: string): Buffer | null {
  return text === '' ? null : Buffer.from(text);
}

export const TRANSLATIONS: Readonly<Partial<Record<Api, Translation>>> = {
  'anthropic-messages': translation(() => new MessagePieces()),
  'google-generate': translation(({ id }) => new ResponsePieces(id)),
};
