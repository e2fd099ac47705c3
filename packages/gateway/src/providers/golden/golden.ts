/**
 * Golden answers: one per thing a provider does, written by us after the vendors' documented shapes, with the one
 * reading each must give. The readers' tests replay them in every way; the doors' and the pass-through's tests send
 * them through. Nothing here is a recording. This file has the form, the others have one dialect's answers each.
 */
import { makeUsage, type Usage } from '@weighbridge/protocol';
import type { Api } from '../../domain/provider.ts';
import type { Reading } from '../reading.ts';

/** How a stream ends: by the dialect's own last frame, by an error event, or with its connection. */
export type GoldenEnd = 'terminal' | 'error' | 'open';

/** What must be read; how many bytes of text passed is not part of it. */
export interface Expected
  extends Pick<
    Reading,
    | 'usage'
    | 'reportedCostUsd'
    | 'otherModels'
    | 'anomaly'
    | 'stopReason'
    | 'serviceTier'
    | 'servedModel'
    | 'responseId'
    | 'errorKind'
  > {
  end: GoldenEnd;
  /** The count and the stop reason have come before the connection's end. */
  isWhole: boolean;
}

export interface Golden {
  name: string;
  api: Api;
  /** Below the provider's base URL, as a caller would ask for the stream. */
  path: string;
  stream: Buffer;
  /** The same answer, not streamed; null where there is no such thing. */
  body: Buffer | null;
  expected: Expected;
}

export interface Draft {
  events: readonly unknown[];
  body?: unknown;
  usage: Partial<Omit<Usage, 'total'>> | null;
  expected: Partial<Omit<Expected, 'usage'>>;
}

/** Puts a dialect's answers together; `frame` writes one event of its streams. */
export function goldens(
  api: Api,
  path: string,
  frame: (event: unknown) => string,
  usual: Partial<Expected>,
  drafts: Readonly<Record<string, Draft>>,
): readonly Golden[] {
  return Object.entries(drafts).map(([name, { events, body, usage, expected }]) => ({
    name,
    api,
    path,
    stream: Buffer.from(events.map(frame).join('')),
    body: body === undefined ? null : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    expected: {
      usage: usage === null ? null : makeUsage(usage),
      anomaly: null,
      stopReason: null,
      serviceTier: null,
      servedModel: null,
      responseId: null,
      errorKind: null,
      reportedCostUsd: null,
      otherModels: [],
      end: 'terminal',
      isWhole: usage !== null,
      ...usual,
      ...expected,
    },
  }));
}

/** A text in pieces, as a stream brings it. */
export function pieces(text: string, size = 24): string[] {
  const characters = [...text];
  const cut: string[] = [];
  for (let at = 0; at < characters.length; at += size) cut.push(characters.slice(at, at + size).join(''));
  return cut;
}

/** Says nothing a parser may stumble over less than: quotes, line ends, other scripts, words that look like a protocol. */
export const TEXT = 'It says "usage":{"input_tokens":9}\n\ndata: [DONE]\n— naïve, 日本語, 😀.';
