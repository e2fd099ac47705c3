/**
 * What a dialect is: pure translation between a provider's bytes and our facts. Its one half reads answers (reading.ts)
 * and is all that a pass-through needs; the other, here, makes requests out of a door's. A dialect opens no socket.
 */

import type { ObjectScan } from '../lib/json-splice.ts';
import type { Secret } from '../lib/secret.ts';
import type { AnswerReader } from './reading.ts';

export type { Anomaly, AnswerReader, FrameVerdict, Reading, StreamReader } from './reading.ts';

export interface EncodePlan {
  /** The provider's own name of the model. */
  model: string;
  /** Ask for usage in the stream although the caller did not. */
  askUsage: boolean;
  /** A message that goes before the caller's, as made by `leadingMessage`. */
  leading: Buffer | null;
}

export interface Credentials {
  credentialHeader(credential: Secret): readonly [name: string, value: string];
}

export interface RequestMaker extends Credentials {
  /** Appended to the provider's base URL. */
  readonly path: string;
  /** An agent's instructions as bytes to be spliced in; made once for each agent. */
  leadingMessage(instructions: string): Buffer;
  /** The caller's bytes with the edits of the plan and no others. */
  encode(body: Buffer, scan: ObjectScan, plan: EncodePlan): Buffer;
  /** Whether an error answer complains about our asking for usage. */
  refusesUsageQuestion(status: number, body: Buffer): boolean;
}

export interface Dialect extends AnswerReader, RequestMaker {}
