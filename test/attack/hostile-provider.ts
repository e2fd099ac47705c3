/**
 * A provider on raw sockets: it reads requests properly, notes each in a journal of its own, and then does whatever the
 * script of the named model wants with the connection. A model without a script gets a plain, correct answer.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExpectedTokens, JournalRequest } from '../rig/journal.ts';
import type { Play, Wire } from './case.ts';

export interface Script {
  play: Play;
  tokens: ExpectedTokens | null;
}

export class HostileProvider {
  /** By the model's name at the provider. */
  readonly scripts = new Map<string, Script>();
  readonly requests: JournalRequest[] = [];
  /** Requests that were not a chat completion: nobody may send any. */
  readonly strays: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #plain: (model: string) => Script;

  private constructor(plain: (model: string) => Script) {
    this.#plain = plain;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(plain: (model: string) => Script): Promise<HostileProvider> {
    const provider = new HostileProvider(plain);
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    let buffer = Buffer.alloc(0);
    let playing = Promise.resolve();
    socket.on('data', (bytes: Buffer) => {
      buffer = Buffer.concat([buffer, bytes]);
      for (let length = requestLength(buffer); length !== null; length = requestLength(buffer)) {
        const request = buffer.subarray(0, length);
        buffer = buffer.subarray(length);
        playing = playing.then(() => this.#receive(socket, request));
      }
    });
  }

  async #receive(socket: Socket, request: Buffer): Promise<void> {
    const split = request.indexOf('\r\n\r\n');
    const head = request.toString('latin1', 0, split);
    if (!head.startsWith('POST /v1/chat/completions ')) return void this.strays.push(head);
    const asked = JSON.parse(request.toString('utf8', split + 4)) as { model: string; stream?: boolean };
    const script = this.scripts.get(asked.model) ?? this.#plain(asked.model);
    this.requests.push({
      kind: 'request',
      n: this.requests.length + 1,
      dispatchId: /\r\nx-client-request-id: (\S+)/i.exec(head)?.[1] ?? '',
      model: asked.model,
      stream: asked.stream === true,
      asksUsage: true,
      tokens: script.tokens,
      headers: {},
    });
    await script.play(new SocketWire(socket), { stream: asked.stream === true });
  }
}

/** Of the first request in the buffer; null while it is not complete. */
function requestLength(buffer: Buffer): number | null {
  const split = buffer.indexOf('\r\n\r\n');
  if (split < 0) return null;
  const declared = /\r\ncontent-length: (\d+)/i.exec(buffer.toString('latin1', 0, split))?.[1] ?? '0';
  const length = split + 4 + Number(declared);
  return buffer.length >= length ? length : null;
}

class SocketWire implements Wire {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isGone(): boolean {
    return this.#socket.destroyed || !this.#socket.writable;
  }

  send(bytes: Buffer | string): void {
    if (!this.isGone) this.#socket.write(bytes);
  }

  async pour(bytes: Buffer | string): Promise<void> {
    if (this.isGone || this.#socket.write(bytes)) return new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.#socket.off('drain', go).off('close', go);
        resolve();
      };
      this.#socket.on('drain', go).on('close', go);
    });
  }

  async pause(ms: number): Promise<void> {
    await delay(ms);
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
