/**
 * The two ends of a run. A door hands a `Call` down and an `AnswerSink` beside it; dispatch fills the sink.
 * The sink never sees the answer's end before the ledger has it (design, semantics 1).
 */

import type { Caller } from './caller.ts';
import type { GatewayError } from './errors.ts';
import type { OutboundHeaders } from './outbound-headers.ts';

/** What a door asks of a model, each in the words of the vendor who defined it. */
export type Ask = 'chat' | 'embeddings' | 'responses' | 'messages' | 'countTokens';

/** A call of a door, as the caller sent it. */
export interface Call {
  caller: Caller;
  ask: Ask;
  /** The caller's JSON bytes, already checked to be one object without duplicate keys that we read. */
  body: Buffer;
  /** The caller's `model`, `openclaw` when absent. */
  requestedModel: string;
  stream: boolean;
  /** The caller asked for the usage chunk itself (`stream_options.include_usage: true`). */
  asksUsage: boolean;
  /** The content of its last user message, as the body spells it. */
  asked?: unknown;
  /** Whom the body names as the end user, null when it names none. */
  user: string | null;
  /** Lower-cased request headers; several values are joined as HTTP says. */
  headers: Readonly<Record<string, string>>;
  /** What kind of run it is, where the door is none of HTTP's; for context headers. */
  runKind?: string;
  /** Its session as it was when the door took it; else the run takes it. */
  session?: { sessionId: string; outboundHeaders: OutboundHeaders };
}

export interface AnswerHead {
  status: number;
  /** Lower-cased; hop-by-hop headers, cookies and the upstream's own request id are gone. */
  headers: Record<string, string | string[]>;
  runId: string;
  dispatchId: string;
}

/** What a door offers to be filled: `head` once, `write` any number of times, then `end` or `fail`, once. */
export interface AnswerSink {
  head(head: AnswerHead): void;
  /** False: stop until the drain listener is called. */
  write(bytes: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  /** The answer's end, with its last bytes. Only after the commit. */
  end(last: Uint8Array | null, trailers?: Readonly<Record<string, string>> | null): void;
  /** Before `head`: an error answer. After it: the door's own form of an error, then the end. */
  fail(error: GatewayError, ids: { runId: string; dispatchId: string | null }): void;
}
