/**
 * An upstream that answers each request with what the test laid ready for it, byte for byte and cut as the test says, and
 * remembers what it was sent. It knows no vendor's protocol.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Laid {
  status?: number;
  headers?: Readonly<Record<string, string | string[]>>;
  /** Each is a write of its own; what comes as a promise is waited for. The head goes with the first. */
  chunks?: Iterable<Buffer> | AsyncIterable<Buffer>;
  trailers?: Readonly<Record<string, string>>;
  /** The connection is reset instead of the end. */
  isCut?: boolean;
}

export interface Received {
  method: string;
  url: string;
  rawHeaders: readonly string[];
  headers: IncomingMessage['headers'];
  sha256: string;
  bytes: number;
}

export class ReplayingUpstream {
  readonly received: Received[] = [];
  #laid: ((request: IncomingMessage) => Laid) | null = null;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(): Promise<ReplayingUpstream> {
    const upstream = new ReplayingUpstream();
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What is answered from now on. */
  lay(laid: Laid | ((request: IncomingMessage) => Laid)): void {
    this.#laid = typeof laid === 'function' ? laid : () => laid;
  }

  get last(): Received {
    return this.received.at(-1)!;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of request) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    const { method = '', url = '', rawHeaders, headers } = request;
    this.received.push({ method, url, rawHeaders, headers, sha256: hash.digest('hex'), bytes });
    const { status = 200, headers: answered = {}, chunks = [], trailers, isCut = false } = this.#laid!(request);
    response.writeHead(status, answered);
    for await (const chunk of chunks) {
      if (!response.write(chunk)) await once(response, 'drain');
      await new Promise(setImmediate);
    }
    if (trailers !== undefined) response.addTrailers(trailers);
    if (isCut) response.destroy();
    else response.end();
  }
}
