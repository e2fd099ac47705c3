/**
 * How one kind of call (an ask of a door) is put to providers of one dialect: pure translation between their bytes and
 * ours. One half reads answers (reading.ts) and is all that a pass-through needs; the other, here, makes requests out of
 * a door's. Nothing here opens a socket; which pairs there are is dialects.ts.
 */
import type { Api } from '../domain/provider.ts';
import type { ObjectScan } from '../lib/json-splice.ts';
import type { Translation } from './chat/translation.ts';
import type { AnswerReader } from './reading.ts';

export type { Anomaly, AnswerReader, FrameVerdict, Reading, StreamReader } from './reading.ts';

export interface EncodePlan {
  /** The provider's own name of the model. */
  model: string;
  /** The most it may answer with; null where the configuration does not say. */
  maxTokens: number | null;
  /** Ask for usage in the stream although the caller did not. */
  askUsage: boolean;
  /** What goes before the caller's own, as made by `leadingMessage`. */
  leading: Buffer | null;
}

export interface RequestMaker {
  /** Below the provider's base URL; a version that both have is sent once. */
  pathTo(model: string, stream: boolean): string;
  /** Headers of the caller's that are part of what is asked, lower-cased. */
  readonly callersHeaders: readonly string[];
  /** An agent's instructions as bytes to be spliced in; made once for each agent. */
  leadingMessage(instructions: string): Buffer;
  /**
   * The caller's bytes with the edits of the plan and no others; translated where the dialect is another than the door's,
   * and then it throws GatewayError for what cannot be said.
   */
  encode(body: Buffer, scan: ObjectScan, plan: EncodePlan): Buffer;
  /** Whether an error answer complains about our asking for usage; null: its streams have the count unasked. */
  readonly refusesUsageQuestion: ((status: number, body: Buffer) => boolean) | null;
}

export interface Dialect extends RequestMaker {
  readonly api: Api;
  /** Null: nothing in an answer costs anything. */
  readonly reader: AnswerReader | null;
  /** Makes its answers the door's; null: they are. */
  readonly translation: Translation | null;
}
