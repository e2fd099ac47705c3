/**
 * What a dialect is: pure translation between a provider's bytes and our facts. A dialect opens no socket, knows no
 * ledger and never throws over what a provider sent; what it cannot read it reports as an anomaly.
 */
import type { Usage } from '@weighbridge/protocol';
import type { Api } from '../domain/provider.ts';
import type { ObjectScan } from '../lib/json-splice.ts';
import type { Secret } from '../lib/secret.ts';

/** What a frame of a stream means to the meter. Only `usage-only` may be stripped, only `terminal` is the end. */
export type FrameVerdict = 'pass' | 'usage-only' | 'terminal' | 'error';

/** Something a provider said that cannot be, noticed and survived. */
export type Anomaly = 'usage_malformed' | 'usage_decreased' | 'usage_inconsistent' | 'encoding_broken';

/** Everything read from an answer so far. */
export interface Reading {
  usage: Usage | null;
  /** The usage object as sent, the most complete one; also when it was rejected. */
  rawUsage: string | null;
  anomaly: Anomaly | null;
  stopReason: string | null;
  serviceTier: string | null;
  servedModel: string | null;
  responseId: string | null;
  errorKind: 'provider_error' | 'invalid_answer' | null;
  /** Bytes of generated text, reasoning and tool arguments: what an estimate of the output stands on. */
  outputBytes: number;
}

export interface StreamReader {
  /** Looks at one frame, complete or the stream's last piece. */
  frame(bytes: Buffer): FrameVerdict;
  /** The final count and a stop reason have come: nothing of value can follow, even if the stream now breaks. */
  readonly isWhole: boolean;
  readonly outputBytes: number;
  reading(): Reading;
}

export interface EncodePlan {
  /** The provider's own name of the model. */
  model: string;
  /** Ask for usage in the stream although the caller did not. */
  askUsage: boolean;
  /** A message that goes before the caller's, as made by `leadingMessage`. */
  leading: Buffer | null;
}

export interface Dialect {
  readonly api: Api;
  /** Appended to the provider's base URL. */
  readonly path: string;
  credentialHeader(credential: Secret): readonly [name: string, value: string];
  /** An agent's instructions as bytes to be spliced in; made once for each agent. */
  leadingMessage(instructions: string): Buffer;
  /** The caller's bytes with the edits of the plan and no others. */
  encode(body: Buffer, scan: ObjectScan, plan: EncodePlan): Buffer;
  streamReader(): StreamReader;
  readBody(body: Buffer): Reading;
  /** Whether an error answer complains about our asking for usage. */
  refusesUsageQuestion(status: number, body: Buffer): boolean;
  /** A guess at the prompt's tokens, from the bytes sent upstream. */
  estimatePrompt(body: Buffer): number;
}
