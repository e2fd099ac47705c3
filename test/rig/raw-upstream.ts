/**
 * A provider that keeps each request's head as the bytes that came, before any parser had an opinion of them. It answers
 * with JSON in the words of whichever dialect its path is of; a request without a length has no body.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';

export interface RawRequest {
  /** Request line and headers, as latin1, without the blank line. */
  head: string;
  body: string;
}

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, input_tokens: 3, output_tokens: 2 };
const ANSWERS: readonly (readonly [path: RegExp, answer: object])[] = [
  [/\/embeddings/, { object: 'list', data: [], model: 'm', usage: USAGE }],
  [/\/count_tokens/, { input_tokens: 3 }],
  [/\/responses/, { id: 'r', object: 'response', status: 'completed', model: 'm', output: [], usage: USAGE }],
  [
    /\/messages/,
    { id: 'm', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: 'end_turn', usage: USAGE },
  ],
  [
    /:generateContent/,
    {
      candidates: [{ content: { role: 'model', parts: [{ text: 'hi' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
    },
  ],
  [
    /./,
    {
      id: 'c',
      object: 'chat.completion',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
      usage: USAGE,
    },
  ],
];

export class RawUpstream {
  readonly received: RawRequest[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<RawUpstream> {
    const server = createServer();
    const upstream = new RawUpstream(server);
    server.on('connection', (socket) => upstream.#serve(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let pending = '';
    socket.on('data', (bytes) => {
      pending += bytes.toString('latin1');
      for (let end = endOf(pending); end !== null; end = endOf(pending)) {
        const head = pending.slice(0, end.head);
        this.received.push({ head, body: pending.slice(end.head + 4, end.all) });
        pending = pending.slice(end.all);
        socket.write(answerTo(head));
      }
    });
  }
}

/** Where the first request ends, null while it has not. */
function endOf(text: string): { head: number; all: number } | null {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return null;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1] ?? '0';
  const all = head + 4 + Number(length);
  return text.length < all ? null : { head, all };
}

function answerTo(head: string): string {
  const [, path = ''] = head.split(' ', 2);
  const body = JSON.stringify(ANSWERS.find(([of]) => of.test(path))![1]);
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Names in lower case, in their order. */
export function namesOf({ head }: RawRequest): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
}

export function valuesOf({ head }: RawRequest, name: string): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name)
    .map((line) => line.slice(line.indexOf(':') + 1).trim());
}
