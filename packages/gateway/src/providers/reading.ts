/**
 * What the meter needs of a dialect: to read an answer. Nothing here makes a request, so the pass-through, which sends
 * what it was sent, asks for no more than this. A reader opens no socket, knows no ledger and never throws over what a
 * provider sent; what it cannot read it reports as an anomaly.
 */
import type { Usage } from '@weighbridge/protocol';
import type { ModelUsage } from '../domain/other-models.ts';
import type { Api } from '../domain/provider.ts';

/** What a frame of a stream means to the meter. Only `usage-only` may be stripped, only `terminal` is the end. */
export type FrameVerdict = 'pass' | 'usage-only' | 'terminal' | 'error';

/** Something a provider said that cannot be, noticed and survived. */
export type Anomaly = 'usage_malformed' | 'usage_decreased' | 'usage_inconsistent' | 'encoding_broken';

/** Everything read from an answer so far. */
export interface Reading {
  /** All tokens the provider bills for the request, those in `otherModels` among them. */
  usage: Usage | null;
  /** The usage as sent, also when it was rejected; an array of the parts where no single one says it all. */
  rawUsage: string | null;
  anomaly: Anomaly | null;
  stopReason: string | null;
  serviceTier: string | null;
  servedModel: string | null;
  responseId: string | null;
  errorKind: 'provider_error' | 'invalid_answer' | null;
  /** Bytes of generated text, reasoning and tool arguments. */
  outputBytes: number;
  /** What they are in tokens, an estimate. */
  outputTokens: number;
  /** Those of them that passed after the provider last counted its output: to be added, should the stream end here. */
  uncountedTokens: number;
  /** What the provider says it charged, in USD: a decimal number, as exact as it was sent. */
  reportedCostUsd: string | null;
  /** What models consumed that were asked on the way (an advisor), the one that answered perhaps among them. */
  otherModels: readonly ModelUsage[];
}

export interface StreamReader {
  /** Looks at one frame, complete or the stream's last piece. */
  frame(bytes: Buffer): FrameVerdict;
  /** The final count and a stop reason have come: nothing of value can follow, even if the stream now breaks. */
  readonly isWhole: boolean;
  readonly outputBytes: number;
  reading(): Reading;
}

export interface AnswerReader {
  readonly api: Api;
  streamReader(): StreamReader;
  readBody(body: Buffer): Reading;
  /**
   * What a stream that broke off behind its count and its stop reason lacks, and its caller waits for; null where the
   * dialect has no such word, or its last frame says more than that.
   */
  readonly lastWord: Buffer | null;
  /** A guess at the prompt's tokens, from the bytes sent upstream. */
  estimatePrompt(body: Buffer): number;
}
