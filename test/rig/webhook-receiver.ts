/**
 * A receiver of webhooks that keeps what came and answers as the test says. The answer is asked for each message; `null` means
 * that it says nothing at all. Knows nothing of the gateway.
 */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  id: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** Monotonic milliseconds. */
  at: number;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

/** What is done with a message: an answer, nothing, or whatever it likes to do with the socket. */
export type Behaviour = (
  message: Received,
  response: ServerResponse,
) => Answer | null | 'handled' | Promise<Answer | null | 'handled'>;

export class WebhookReceiver {
  readonly received: Received[] = [];
  /** Attempts that are being answered now, and the most there were. */
  open = 0;
  openMax = 0;
  behaviour: Behaviour = () => ({});
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('error', () => {});
      request.on('end', () => void this.#receive(request.headers, Buffer.concat(parts).toString(), response));
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await receiver.listen(port);
    return receiver;
  }

  async listen(port = this.#port): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  /** Connections it ever had open now. */
  get sockets(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #receive(headers: IncomingHttpHeaders, body: string, response: ServerResponse): Promise<void> {
    const message = { id: String(headers['webhook-id']), headers, body, at: performance.now() };
    this.received.push(message);
    this.open += 1;
    this.openMax = Math.max(this.openMax, this.open);
    response.on('close', () => {
      this.open -= 1;
    });
    const answer = await this.behaviour(message, response);
    if (answer === null || answer === 'handled') return;
    response.writeHead(answer.status ?? 204, answer.headers);
    response.end(answer.body);
  }
}
