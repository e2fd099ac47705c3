/**
 * What one attack is: the bytes a caller writes, what the provider plays to it, and what must come of it. Types, and the few
 * builders that both sides share. Nothing here knows how a case is judged; that is siege.ts.
 */
import type { ExpectedTokens } from '../rig/journal.ts';
import type { Random } from '../rig/random.ts';

/** How an answer ended, as its caller can tell. `silence`: nothing came in time, which no class allows. */
export type Ending = 'whole' | 'error event' | 'refusal' | 'cut' | 'silence';

export type Books = `${'completed' | 'failed' | 'aborted'} ${'reported' | 'partial' | 'estimated' | 'none'}`;

export interface Expected {
  statuses: readonly number[];
  endings: readonly Ending[];
  /** Least and most requests that reach the provider. */
  dispatches: readonly [number, number];
  /** What the entry may say: outcome and usage source, `completed reported`. */
  books: readonly Books[];
}

/** What a caller does on its socket, in turn. */
export type Step =
  | Buffer
  | string
  | { pauseMs: number }
  /** Write, then wait, over and over, until the other side closes or the case is over. */
  | { drip: Buffer; everyMs: number }
  /** Read for a moment, stop for a while, over and over, until the case is over. */
  | { sipEveryMs: number }
  | 'half-close'
  | 'stop-reading'
  | 'read'
  | 'reset';

/** The provider's end of one exchange. */
export interface Wire {
  readonly isGone: boolean;
  send(bytes: Buffer | string): void;
  /** As `send`, but resolves when the socket takes more, or is gone. */
  pour(bytes: Buffer | string): Promise<void>;
  pause(ms: number): Promise<void>;
  end(): void;
  reset(): void;
}

export type Play = (wire: Wire, asked: { stream: boolean }) => void | Promise<void>;

export interface Attack {
  steps: readonly Step[];
  /** Final answers to wait for; 0: only that the other side closes. */
  answers: number;
  play?: Play;
  /** What the provider reports, when it reports something that counts. */
  tokens?: ExpectedTokens | null;
  /** The answer's body, byte for byte. */
  bytes?: Buffer;
  expects?: Partial<Expected>;
  /** What must not stand in the head of any answer. */
  unseen?: readonly string[];
  /** More models whose calls belong to this case; they must not reach the provider. */
  forbidden?: string;
}

/** What a generator may use: chance, and names of its own. */
export interface Draw {
  random: Random;
  /** Counts up within the class, for classes that go through places in turn. */
  index: number;
  /** Unique to the case; the provider knows its script by it. */
  model: string;
  token: string;
}

export type Generator = (draw: Draw) => Attack;

export interface PostShape {
  body: string | Buffer;
  headers?: readonly string[];
  path?: string;
  /** false: no `content-length`; the case brings its own framing. */
  framed?: boolean;
}

export function post({ token }: Draw, { body, headers = [], path, framed = true }: PostShape): Buffer {
  const bytes = Buffer.from(body);
  const lines = [
    `POST ${path ?? '/v1/chat/completions'} HTTP/1.1`,
    'host: 127.0.0.1',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    ...headers,
    ...(framed ? [`content-length: ${bytes.length}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
}

export function get({ token }: Draw, path: string, headers: readonly string[] = []): Buffer {
  const lines = [`GET ${path} HTTP/1.1`, 'host: 127.0.0.1', `authorization: Bearer ${token}`, ...headers];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Words of a prompt that must never show up in a log. */
export const PROMPT_MARK = 'the-words-of-a-prompt';

export function chatBody(draw: Draw, more: object = {}): string {
  return JSON.stringify({
    model: `hostile/${draw.model}`,
    messages: [{ role: 'user', content: PROMPT_MARK }],
    ...more,
  });
}

export function whole(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** One chat call with this body, to its one answer. */
export const sent = (draw: Draw, body: string | Buffer, more: Partial<Attack> = {}): Attack => ({
  steps: [post(draw, { body })],
  answers: 1,
  ...more,
});
