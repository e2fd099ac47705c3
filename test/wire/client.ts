/**
 * A plain client of the protocol, as somebody would write it in an afternoon: `ws`, a challenge, `connect`, requests by id.
 * It checks every frame that it gets against the published schemas, and that events are numbered without a gap.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { assertPublished, type WireFrame } from './published.ts';

export interface ConnectOptions {
  token?: string | null;
  password?: string;
  scopes?: string[] | null;
  minProtocol?: number;
  maxProtocol?: number;
  client?: Record<string, unknown>;
  caps?: string[];
  /** Fields of `connect` besides. */
  extra?: Record<string, unknown>;
  socket?: ClientOptions;
}

export class WireRefusal extends Error {
  readonly frame: WireFrame;

  constructor(frame: WireFrame) {
    super(frame.error?.message ?? 'refused');
    this.frame = frame;
  }

  get code(): string {
    return this.frame.error!.code;
  }
}

interface Pending {
  method: string;
  frames: WireFrame[];
  done: PromiseWithResolvers<WireFrame>;
  /** The first answer only says that it has begun. */
  isFinal: (frame: WireFrame) => boolean;
}

const READ_WRITE_ADMIN = ['operator.read', 'operator.write', 'operator.admin'];

export class WireClient {
  readonly socket: WebSocket;
  readonly events: WireFrame[] = [];
  readonly faults: Error[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  challenge: { nonce: string; ts: number } | null = null;
  hello: Record<string, unknown> = {};
  readonly #pending = new Map<string, Pending>();
  readonly #waiters = new Set<{ fits: (frame: WireFrame) => boolean; done: PromiseWithResolvers<WireFrame> }>();
  #lastSeq = 0;

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), { perMessageDeflate: true, ...options });
    const { promise, resolve } = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = promise;
    this.socket.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString() });
      for (const { done } of [...this.#pending.values(), ...this.#waiters]) {
        done.promise.catch(() => {});
        done.reject(new Error(`the socket was closed: ${code} ${reason.toString()}`));
      }
    });
    this.socket.on('error', () => {});
    this.socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString('utf8')) as WireFrame));
  }

  /** Connected, and greeted. */
  static async connect(url: string, options: ConnectOptions = {}): Promise<WireClient> {
    const client = await WireClient.challenged(url, options.socket);
    await client.greet(options);
    return client;
  }

  static async challenged(url: string, socket: ClientOptions = {}): Promise<WireClient> {
    const client = new WireClient(url, socket);
    await client.event('connect.challenge');
    return client;
  }

  /** Sends `connect`; throws WireRefusal. */
  async greet({
    token,
    password,
    scopes = READ_WRITE_ADMIN,
    minProtocol = 4,
    maxProtocol = 4,
    client = {},
    caps,
    extra = {},
  }: ConnectOptions): Promise<void> {
    const auth = { ...(token ? { token } : {}), ...(password ? { password } : {}) };
    const frame = await this.#send('connect', {
      minProtocol,
      maxProtocol,
      client: { id: 'gateway-client', version: '1.0.0', platform: 'linux', mode: 'backend', ...client },
      ...(scopes === null ? {} : { scopes }),
      ...(caps ? { caps } : {}),
      ...(Object.keys(auth).length > 0 ? { auth } : {}),
      ...extra,
    });
    this.hello = frame.payload as Record<string, unknown>;
  }

  /** The payload of the last answer; throws WireRefusal. */
  async request<Payload = Record<string, unknown>>(method: string, params?: unknown): Promise<Payload> {
    return (await this.#send(method, params)).payload as Payload;
  }

  /** Past `status: "accepted"`, as `agent` answers twice. */
  async final<Payload = Record<string, unknown>>(method: string, params: unknown): Promise<Payload> {
    const isFinal = ({ payload, ok }: WireFrame): boolean =>
      !ok || (payload as { status?: string } | undefined)?.status !== 'accepted';
    return (await this.#send(method, params, isFinal)).payload as Payload;
  }

  raw(data: string | Buffer): void {
    this.socket.send(data);
  }

  /** The next event of that name that fits, from those that have come on. */
  event(name: string, fits: (payload: never) => boolean = () => true): Promise<WireFrame> {
    const isIt = (frame: WireFrame): boolean => frame.event === name && fits(frame.payload as never);
    const had = this.events.find(isIt);
    if (had !== undefined) return Promise.resolve(had);
    const waiter = { fits: isIt, done: Promise.withResolvers<WireFrame>() };
    this.#waiters.add(waiter);
    return waiter.done.promise;
  }

  /** A frame that answers to no request of ours, like that to a broken one. */
  answer(id: string): Promise<WireFrame> {
    return this.answers(id, () => true);
  }

  /** The same, for what is answered more than once. */
  answers(id: string, isFinal: Pending['isFinal']): Promise<WireFrame> {
    const pending: Pending = { method: '', frames: [], done: Promise.withResolvers(), isFinal };
    this.#pending.set(id, pending);
    return pending.done.promise;
  }

  async close(): Promise<void> {
    assert.deepEqual(this.faults, []);
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.close();
    await once(this.socket, 'close');
  }

  async #send(method: string, params: unknown, isFinal: Pending['isFinal'] = () => true): Promise<WireFrame> {
    const id = randomUUID();
    const pending: Pending = { method, frames: [], done: Promise.withResolvers(), isFinal };
    this.#pending.set(id, pending);
    this.socket.send(JSON.stringify({ type: 'req', id, method, ...(params === undefined ? {} : { params }) }));
    const frame = await pending.done.promise;
    if (!frame.ok) throw new WireRefusal(frame);
    return frame;
  }

  #take(frame: WireFrame): void {
    try {
      const pending = frame.type === 'res' ? this.#pending.get(frame.id!) : undefined;
      const isLast = pending?.isFinal(frame) ?? true;
      assertPublished(frame, pending && pending.method !== '' && isLast ? pending.method : null);
      if (frame.type === 'event') this.#number(frame);
    } catch (error) {
      this.faults.push(error as Error);
    }
    if (frame.type === 'event') this.#hear(frame);
    else this.#answered(frame);
  }

  #number({ event, seq }: WireFrame): void {
    if (event === 'connect.challenge') {
      assert.equal(seq, undefined);
      return;
    }
    assert.equal(seq, this.#lastSeq + 1, `the event ${event} is numbered`);
    this.#lastSeq = seq;
  }

  #hear(frame: WireFrame): void {
    if (frame.event === 'connect.challenge') this.challenge = frame.payload as { nonce: string; ts: number };
    this.events.push(frame);
    for (const waiter of [...this.#waiters]) {
      if (!waiter.fits(frame)) continue;
      this.#waiters.delete(waiter);
      waiter.done.resolve(frame);
    }
  }

  #answered(frame: WireFrame): void {
    const pending = this.#pending.get(frame.id!);
    if (pending === undefined) {
      this.faults.push(new Error(`an answer to nothing: ${JSON.stringify(frame).slice(0, 300)}`));
      return;
    }
    pending.frames.push(frame);
    if (!pending.isFinal(frame)) return;
    this.#pending.delete(frame.id!);
    pending.done.resolve(frame);
  }
}
