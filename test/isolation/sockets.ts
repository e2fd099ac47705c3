/**
 * The same callers over WebSockets: runs as `agent` and as `chat.send`, patches and resets as `sessions.*`, aborts as
 * `chat.abort`. A few sockets serve all of them, because every socket hears of every session. Frames are not validated here:
 * test/ws*.test.ts does that, and this has to be quick.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Random } from '../rig/random.ts';
import { pick } from '../rig/random.ts';
import type { Patch, SessionModel } from './oracle.ts';
import type { Ways } from './player.ts';
import { textOf } from './recorder.ts';

interface Frame {
  type: 'res' | 'event';
  id?: string;
  ok?: boolean;
  event?: string;
  payload?: { status?: string; state?: string; runId?: string; errorMessage?: string };
  error?: { message: string };
}

export class Sockets implements Ways {
  readonly isSerial = true;
  readonly #gateways: readonly { url: string; token: string }[];
  readonly #random: Random;
  readonly #open: Socket[] = [];

  private constructor(gateways: readonly { url: string; token: string }[], random: Random) {
    this.#gateways = gateways;
    this.#random = random;
  }

  static async connect(
    gateways: readonly { url: string; token: string }[],
    random: Random,
    count: number,
  ): Promise<Sockets> {
    const sockets = new Sockets(gateways, random);
    for (let n = 0; n < count; n++) sockets.#open.push(await Socket.connect(gateways[n % gateways.length]!));
    return sockets;
  }

  async patch({ key }: SessionModel, outboundHeaders: Patch): Promise<void> {
    await this.#any().request('sessions.patch', { key, outboundHeaders });
  }

  async empty({ key }: SessionModel, how: 'reset' | 'delete'): Promise<void> {
    await this.#any()
      .request(`sessions.${how}`, { key })
      .catch((error: Error) => {
        // Nothing was ever done in it.
        if (!error.message.includes('No session found')) throw error;
      });
  }

  async run(
    { key }: SessionModel,
    callNo: number,
    patch: Patch | undefined,
    abort: Promise<void> | null,
  ): Promise<string | null> {
    const socket = this.#any();
    const runId = randomUUID();
    const own = patch === undefined ? {} : { outboundHeaders: patch };
    const params = { sessionKey: key, message: textOf(callNo), idempotencyKey: runId, ...own };
    const isAgent = this.#random() < 0.5;
    const run = isAgent ? socket.agent(params) : socket.chat(params);
    if (abort === null) return run;
    await Promise.race([abort, run]);
    await socket.request('chat.abort', { sessionKey: key, runId });
    await run;
    return null;
  }

  /** A socket leaves with whatever runs for it; runs go on, and their end is heard by nobody. */
  async reconnect(): Promise<void> {
    const idle = this.#open.findIndex((socket) => socket.isIdle);
    if (idle < 0) return;
    const [leaving] = this.#open.splice(idle, 1);
    leaving!.close();
    this.#open.push(await Socket.connect(pick(this.#random, this.#gateways)));
  }

  close(): void {
    for (const socket of this.#open) socket.close();
  }

  #any(): Socket {
    return pick(this.#random, this.#open);
  }
}

class Socket {
  readonly #socket: WebSocket;
  readonly #answers = new Map<string, (frame: Frame) => void>();
  readonly #ends = new Map<string, (frame: Frame) => void>();
  #nextId = 0;

  private constructor(url: string) {
    this.#socket = new WebSocket(url.replace(/^http/, 'ws'), { perMessageDeflate: false });
    this.#socket.on('error', () => {});
    this.#socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString()) as Frame));
    this.#socket.on('close', (code) => {
      const frame: Frame = { type: 'res', ok: false, error: { message: `the socket was closed: ${code}` } };
      for (const answer of [...this.#answers.values(), ...this.#ends.values()]) answer(frame);
    });
  }

  static async connect({ url, token }: { url: string; token: string }): Promise<Socket> {
    const socket = new Socket(url);
    await once(socket.#socket, 'message');
    await socket.request('connect', {
      minProtocol: 4,
      maxProtocol: 4,
      client: { id: 'gateway-client', version: '1.0.0', platform: 'linux', mode: 'backend' },
      scopes: ['operator.read', 'operator.write', 'operator.admin'],
      auth: { token },
    });
    return socket;
  }

  get isIdle(): boolean {
    return this.#answers.size === 0 && this.#ends.size === 0;
  }

  async request(method: string, params: object): Promise<void> {
    const { ok, error } = await this.#send(method, params);
    if (!ok) throw new Error(`${method}: ${error?.message}`);
  }

  /** Its second answer is its end. */
  async agent(params: object): Promise<string | null> {
    const { ok, error } = await this.#send('agent', params);
    return ok ? null : `agent: ${error?.message}`;
  }

  async chat(params: { idempotencyKey: string }): Promise<string | null> {
    const { promise, resolve } = Promise.withResolvers<Frame>();
    this.#ends.set(params.idempotencyKey, resolve);
    try {
      await this.request('chat.send', params);
      const { payload, error } = await promise;
      return payload?.state === 'final'
        ? null
        : `chat.send: ${payload?.state} ${payload?.errorMessage ?? error?.message}`;
    } finally {
      this.#ends.delete(params.idempotencyKey);
    }
  }

  close(): void {
    this.#socket.terminate();
  }

  #send(method: string, params: object): Promise<Frame> {
    const { promise, resolve } = Promise.withResolvers<Frame>();
    const id = String(++this.#nextId);
    this.#answers.set(id, resolve);
    this.#socket.send(JSON.stringify({ type: 'req', id, method, params }));
    return promise;
  }

  #take(frame: Frame): void {
    if (frame.type === 'res') {
      if (frame.payload?.status === 'accepted') return;
      const answer = this.#answers.get(frame.id!);
      this.#answers.delete(frame.id!);
      answer?.(frame);
    } else if (frame.event === 'chat' && frame.payload?.state !== 'delta' && frame.payload?.state !== 'status') {
      this.#ends.get(frame.payload!.runId!)?.(frame);
    }
  }
}
