/**
 * The upstream of the isolation test: it finds out which call a request belongs to from the request's own body, judges its
 * raw headers at once, and answers as the call's script says. It keeps of each dispatch only what the ledger is compared with.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CallModel, CONTEXT, OWN, type Taken } from './oracle.ts';

/** What becomes of a call's dispatches, in their order; the last word holds for all further ones. */
export type Word = 'ok' | 'retry' | 'next' | 'hold';

export interface Expected {
  model: CallModel;
  script: Word[];
  /** Told of each dispatch; a promise holds its answer back. */
  onDispatch?: (attempt: number) => Promise<void> | void;
  attempts: number;
}

export interface Sighting {
  sessionKey: string;
  provider: string;
}

/** In the text of a call's last message. */
const MARK = 'call#';
/** By the first segment of the path: what a provider takes of a session's headers, first or as a fallback. */
export const TAKES: Readonly<Record<string, Taken>> = {
  one: 'all',
  two: ['x-iso-a', OWN],
  three: [],
  resp: 'all',
  anth: 'all',
};

export const textOf = (callNo: number): string => `${MARK}${callNo};`;

export class Recorder {
  readonly calls = new Map<number, Expected>();
  readonly wrong: string[] = [];
  /** By dispatch id. */
  readonly sightings = new Map<string, Sighting>();
  dispatches = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#receive(request, response));
  }

  static async start(): Promise<Recorder> {
    const recorder = new Recorder(createServer({ keepAliveTimeout: 60_000 }));
    recorder.#server.listen(0, '127.0.0.1');
    await once(recorder.#server, 'listening');
    return recorder;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    response.on('error', () => {});
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // Aborted while its body came: it was no dispatch that could carry anything.
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const provider = request.url!.split('/')[1]!;
    const at = body.lastIndexOf(MARK) + MARK.length;
    const expected = this.calls.get(Number(body.slice(at, body.indexOf(';', at))));
    this.dispatches++;
    if (expected === undefined) {
      this.wrong.push(`a request of no call: ${body.slice(0, 200)}`);
      response.end();
      return;
    }
    this.#judge(request.rawHeaders, provider, expected);
    const attempt = expected.attempts++;
    await expected.onDispatch?.(attempt);
    const word = expected.script[Math.min(attempt, expected.script.length - 1)]!;
    answer(response, word, request.url!, body.includes('"stream":true'));
  }

  #judge(raw: readonly string[], provider: string, { model }: Expected): void {
    const headers = new Map<string, string>();
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at]!.toLowerCase();
      if (!/^x-(iso|ctx|client-request-id)/.test(name)) continue;
      if (headers.has(name)) this.wrong.push(`${model.session.key}: ${name} came twice`);
      headers.set(name, raw[at + 1]!);
    }
    const dispatchId = headers.get('x-client-request-id') ?? '';
    headers.delete('x-client-request-id');
    if (headers.get(CONTEXT.dispatch) !== dispatchId)
      this.wrong.push(`${dispatchId}: its context names another dispatch`);
    const problem = model.judge(headers, TAKES[provider]!);
    if (problem !== null) this.wrong.push(`${dispatchId} at ${provider}: ${problem}`);
    if (this.sightings.has(dispatchId)) this.wrong.push(`${dispatchId} came twice`);
    this.sightings.set(dispatchId, { sessionKey: model.session.key, provider });
  }
}

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, input_tokens: 3, output_tokens: 2 };
const CHAT = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: USAGE,
});
const STREAM = `${[
  { id: 'c', choices: [{ index: 0, delta: { role: 'assistant', content: 'hi' }, finish_reason: null }] },
  { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  { id: 'c', choices: [], usage: USAGE },
]
  .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
  .join('')}data: [DONE]\n\n`;
const OTHERS: readonly (readonly [path: string, answer: string])[] = [
  ['/embeddings', JSON.stringify({ object: 'list', data: [], model: 'm', usage: USAGE })],
  [
    '/responses',
    JSON.stringify({ id: 'r', object: 'response', status: 'completed', model: 'm', output: [], usage: USAGE }),
  ],
  [
    '/messages',
    JSON.stringify({
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'hi' }],
      stop_reason: 'end_turn',
      usage: USAGE,
    }),
  ],
];

function answer(response: ServerResponse, word: Word, path: string, isStream: boolean): void {
  if (word === 'retry') {
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '0' });
    response.end('{}');
  } else if (word === 'next') {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{}');
  } else if (isStream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(STREAM);
  } else {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(OTHERS.find(([of]) => path.includes(of))?.[1] ?? CHAT);
  }
}
