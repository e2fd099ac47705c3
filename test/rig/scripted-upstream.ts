/**
 * A provider whose every answer the test writes by hand, byte by byte if it wants: for cases that a language of scripts
 * (script.ts) should not have to know. Keeps what it received; no journal.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  request: IncomingMessage;
  body: string;
}

export type Answering = (response: ServerResponse, received: Received) => void;

/** A provider whose every answer the test writes itself. */
export class ScriptedUpstream {
  readonly received: Received[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  #answering: Answering[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const upstream = new ScriptedUpstream(server);
    server.on('request', (request, response) => void upstream.#receive(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** How the next requests are answered, in order; the last one answers all further ones. */
  answer(...answering: Answering[]): void {
    this.received.length = 0;
    this.#answering = answering;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const received = { request, body: Buffer.concat(chunks).toString() };
    this.received.push(received);
    const answering = this.#answering.length > 1 ? this.#answering.shift() : this.#answering[0];
    assert.ok(answering, 'the test scripted no answer');
    answering(response, received);
  }
}

export const EVENT_STREAM = { 'content-type': 'text/event-stream' };

/** A whole stream at once. */
export function stream(...events: Buffer[]): Answering {
  return (response) => {
    response.writeHead(200, EVENT_STREAM);
    response.end(Buffer.concat(events));
  };
}

export function json(status: number, body: object, headers: Record<string, string> = {}): Answering {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}
