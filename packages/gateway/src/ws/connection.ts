/**
 * One WebSocket from its challenge to its close. It reads frames and no faster than it may, answers each request once,
 * and never keeps more for a reader that does not read than two limits say. What requests do is the methods' business;
 * who else gets an event is the hub's.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectParams } from '@openclaw/gateway-protocol';
import type { RawData, WebSocket } from 'ws';
import type { GatewayConfig } from '../domain/config.ts';
import {
  answerText,
  type ErrorShape,
  eventHead,
  failureText,
  numbered,
  type Received,
  type RequestFrame,
  received,
  unnumbered,
} from './frames.ts';
import { CLOSE_POLICY, HandshakeRefusal, type Identity } from './identity.ts';
import type { Peer } from './methods/method.ts';
import type { Check } from './schemas.ts';
import type { WireScope } from './scopes.ts';
import { OUR_BUG, shapeOf, WireFailure } from './wire-errors.ts';

export const CLOSE_RESTART = 1012;
/** How long a peer that is told to go may take to say so too. */
const FAREWELL_MS = 1_000;
/** A close frame holds this much. */
const REASON_BYTES_MAX = 123;

export type SocketLimits = Pick<
  GatewayConfig['limits'],
  | 'handshakeTimeoutMs'
  | 'frameBytesMax'
  | 'jsonDepthMax'
  | 'socketRequestsMax'
  | 'socketRequestsPerSecondMax'
  | 'socketUnsentBytesMax'
  | 'socketUnsentMaxMs'
>;

export interface ConnectionDeps {
  limits: () => SocketLimits;
  now: () => number;
  frameCheck: Check;
  connectCheck: Check;
  identify(params: ConnectParams, asked: { nonce: string; address: string }): Promise<Identity>;
  /** The payload of `hello-ok`, and what is said after it. */
  welcome(connection: Connection): Promise<unknown>;
  onOpen(connection: Connection): void;
  onClose(connection: Connection): void;
  call(request: RequestFrame, connection: Connection, interim: (payload: unknown) => void): unknown;
  /** Told of exceptions that are bugs. */
  report: (error: unknown) => void;
}

type State = 'new' | 'connecting' | 'open' | 'closed';

export class Connection implements Peer {
  readonly connId = randomUUID();
  readonly address: string;
  readonly #socket: WebSocket;
  readonly #deps: ConnectionDeps;
  readonly #nonce = randomUUID();
  #state: State = 'new';
  #timer: NodeJS.Timeout | null;
  #identity: Identity | null = null;
  #seq = 0;
  #running = 0;
  /** Frames that came before `connect` was answered. */
  #early: { bytes: Buffer; isBinary: boolean }[] = [];
  /** Requests it may still make now; below zero it is not read. */
  #allowance: number;
  #allowedAt = performance.now();
  #sent = 0;
  #flushed = 0;
  /** The number of a frame that waits, and since when; null: none does. */
  #waiting: { number: number; since: number } | null = null;
  readonly #onFlushed = (): void => this.#flush();
  followsSessions = false;
  followsUsage = false;
  readonly followedKeys = new Set<string>();
  /** Something came from it since the last ping. */
  isAlive = true;
  connectedAt = 0;
  /** What is to be let go when it has gone. */
  onceGone: (() => void) | null = null;
  /** Of what it was spared text because it reads slowly; the next text of that is whole. */
  readonly spared = new Set<string>();

  constructor(socket: WebSocket, address: string, deps: ConnectionDeps) {
    this.#socket = socket;
    this.address = address;
    this.#deps = deps;
    this.#allowance = deps.limits().socketRequestsPerSecondMax;
    this.#timer = setTimeout(() => this.#close(1000, ''), deps.limits().handshakeTimeoutMs);
    socket.on('message', (bytes, isBinary) => this.#take(bytes, isBinary));
    socket.on('pong', () => {
      this.isAlive = true;
    });
    socket.on('close', () => this.#closed());
    // A broken frame: the socket is closed with its own code, and `close` comes.
    socket.on('error', ignore);
    this.#send(unnumbered(eventHead('connect.challenge', { nonce: this.#nonce, ts: deps.now() })));
  }

  get identity(): Identity {
    if (this.#identity === null) throw new Error('a connection was asked who it is before it said so');
    return this.#identity;
  }

  get clientId(): string {
    return this.identity.client.id;
  }

  get grantedScopes(): ReadonlySet<WireScope> {
    return this.identity.scopes;
  }

  get isGone(): boolean {
    return this.#state === 'closed';
  }

  /** It has more to read than a bit: what can wait for the next time is spared. */
  get isBehind(): boolean {
    return this.#socket.bufferedAmount > this.#deps.limits().socketUnsentBytesMax / 16;
  }

  /** An event whose head was made for all. */
  sendEvent(head: string): void {
    if (this.#state === 'open') this.#send(numbered(head, ++this.#seq));
  }

  /** Asked now and then: closes a reader that has taken nothing for too long, or is not there any more. */
  checkReader(now: number): void {
    const { socketUnsentMaxMs } = this.#deps.limits();
    if (this.#waiting !== null && now - this.#waiting.since > socketUnsentMaxMs) this.#dropSlow();
  }

  /** False: the last ping was not answered. */
  ping(): boolean {
    if (!this.isAlive) return false;
    this.isAlive = false;
    this.#socket.ping();
    return true;
  }

  close(code: number, reason: string): void {
    this.#close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #take(data: RawData, isBinary: boolean): void {
    if (this.#state === 'closed') return;
    this.isAlive = true;
    const bytes = data as Buffer;
    this.#slowDown();
    if (this.#state === 'connecting') {
      this.#early.push({ bytes, isBinary });
      return;
    }
    const came = received(bytes, isBinary, this.#deps.limits().jsonDepthMax);
    if (this.#state === 'new') void this.#connect(came);
    else if (came !== null) this.#request(came);
  }

  /** Whoever asks faster than it may is read no faster: its frames wait in its own socket. */
  #slowDown(): void {
    const { socketRequestsPerSecondMax: perSecond } = this.#deps.limits();
    const now = performance.now();
    this.#allowance = Math.min(perSecond, this.#allowance + ((now - this.#allowedAt) / 1000) * perSecond) - 1;
    this.#allowedAt = now;
    if (this.#allowance >= 0 || this.#socket.isPaused) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), (-this.#allowance / perSecond) * 1000 + 1).unref();
  }

  async #connect(came: Received | null): Promise<void> {
    this.#state = 'connecting';
    const id = idOf(came?.frame);
    try {
      const params = this.#connectParams(came);
      const identity = await this.#deps.identify(params, { nonce: this.#nonce, address: this.address });
      if (this.isGone) return;
      this.#identity = identity;
      const hello = await this.#deps.welcome(this);
      if (this.isGone) return;
      this.#opened(id, hello);
    } catch (error) {
      if (this.isGone) return;
      this.#refuse(id, error);
    }
  }

  #connectParams(came: Received | null): ConnectParams {
    const isRequest = came !== null && came.wrong === null && this.#deps.frameCheck(came.frame) === null;
    const frame = came?.frame as RequestFrame;
    if (!isRequest || frame.method !== 'connect') {
      throw new WireFailure({
        code: 'INVALID_REQUEST',
        message: 'invalid handshake: first request must be connect',
      });
    }
    const { params = {} } = frame;
    const wrong = this.#deps.connectCheck(params);
    if (wrong !== null) throw new WireFailure({ code: 'INVALID_REQUEST', message: `invalid connect params: ${wrong}` });
    return params as ConnectParams;
  }

  #opened(id: string, hello: unknown): void {
    clearTimeout(this.#timer!);
    this.#timer = null;
    this.connectedAt = this.#deps.now();
    allowFrames(this.#socket, this.#deps.limits().frameBytesMax);
    this.#state = 'open';
    this.#send(answerText(id, hello));
    this.#deps.onOpen(this);
    const early = this.#early;
    this.#early = [];
    for (const { bytes, isBinary } of early) {
      if (this.isGone) return;
      const came = received(bytes, isBinary, this.#deps.limits().jsonDepthMax);
      if (came !== null) this.#request(came);
    }
  }

  #refuse(id: string, error: unknown): void {
    const shape = this.#shapeOf(error);
    this.#send(failureText(id, shape));
    this.#close(error instanceof HandshakeRefusal ? error.closeCode : CLOSE_POLICY, shape.message);
  }

  #request({ frame, wrong }: Received): void {
    const id = idOf(frame);
    const fault = wrong ?? this.#deps.frameCheck(frame);
    if (fault !== null) {
      this.#fail(id, { code: 'INVALID_REQUEST', message: `invalid request frame: ${fault}` });
      return;
    }
    if (this.#running >= this.#deps.limits().socketRequestsMax) {
      this.#fail(id, {
        code: 'UNAVAILABLE',
        message: 'As many requests of this connection are running as `limits.socketRequestsMax` allows; send it later.',
        retryable: true,
      });
      return;
    }
    void this.#answer(frame as RequestFrame);
  }

  async #answer(request: RequestFrame): Promise<void> {
    const { id } = request;
    this.#running++;
    // What has begun and will take as long as a model does is no longer in anybody's way.
    let isCounted = true;
    const uncount = (): void => {
      if (isCounted) this.#running--;
      isCounted = false;
    };
    const interim = (payload: unknown): void => {
      uncount();
      this.#send(answerText(id, payload));
    };
    try {
      const payload = await this.#deps.call(request, this, interim);
      this.#send(answerText(id, payload));
    } catch (error) {
      this.#fail(id, this.#shapeOf(error), error instanceof WireFailure ? error.payload : undefined);
    } finally {
      uncount();
    }
  }

  #fail(id: string, shape: ErrorShape, payload?: unknown): void {
    this.#send(failureText(id, shape, payload));
  }

  #shapeOf(error: unknown): ErrorShape {
    const shape = shapeOf(error);
    if (shape === null) this.#deps.report(error);
    return shape ?? OUR_BUG;
  }

  #send(text: string): void {
    if (this.#state === 'closed') return;
    // Asked before this frame is added: one long answer is no reason to close.
    if (this.#socket.bufferedAmount > this.#deps.limits().socketUnsentBytesMax) {
      this.#dropSlow();
      return;
    }
    this.#sent++;
    this.#waiting ??= { number: this.#sent, since: performance.now() };
    this.#socket.send(text, this.#onFlushed);
  }

  #flush(): void {
    this.#flushed++;
    if (this.#waiting === null || this.#flushed < this.#waiting.number) return;
    this.#waiting = this.#flushed < this.#sent ? { number: this.#sent, since: performance.now() } : null;
  }

  #dropSlow(): void {
    this.#close(CLOSE_POLICY, 'slow consumer');
  }

  #close(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.#closed();
    this.#socket.close(code, cut(reason));
    setTimeout(() => this.#socket.terminate(), FAREWELL_MS).unref();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#early = [];
    this.#deps.onClose(this);
  }
}

function ignore(): void {}

/** `ws` has one limit for the whole life of a socket; until somebody has shown a credential ours is a smaller one. */
function allowFrames(socket: WebSocket, bytesMax: number): void {
  const { _receiver: receiver } = socket as unknown as { _receiver: { _maxPayload: number } | null };
  if (receiver !== null) receiver._maxPayload = bytesMax;
}

function idOf(frame: unknown): string {
  const id = typeof frame === 'object' && frame !== null ? (frame as { id?: unknown }).id : null;
  return typeof id === 'string' && id !== '' ? id : 'invalid';
}

function cut(reason: string): string {
  let text = reason;
  while (Buffer.byteLength(text) > REASON_BYTES_MAX) text = text.slice(0, -1);
  return text;
}
