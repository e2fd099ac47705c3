/**
 * An OpenAI-compatible provider that does what the model's name says (script.ts) and keeps a journal (journal.ts). Its usage
 * numbers are different for every request, so that a number that lands on the wrong entry is seen. Runs in the test's
 * process, or alone: `node test/rig/scripted-provider.ts JOURNAL_FILE`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type ExpectedTokens, Journal } from './journal.ts';
import { parseScript, type Script } from './script.ts';

export interface ScriptedProvider {
  /** Ends in `/v1`, as a provider's `baseUrl` does. */
  baseUrl: string;
  journal: Journal;
  openSockets(): number;
  /** Resolves when no gateway is connected any more. */
  socketsClosed(): Promise<void>;
  /** Lets every held answer go on. */
  release(): void;
  close(): Promise<void>;
}

interface Turn {
  n: number;
  script: Script;
  model: string;
  tokens: ExpectedTokens;
  asksUsage: boolean;
  response: ServerResponse;
  chunksSent: number;
  usageSent: boolean;
  /** Aborted when there is nobody to answer any more. */
  over: AbortController;
}

export async function startScriptedProvider(journalFile: string, port = 0): Promise<ScriptedProvider> {
  const provider = new Provider(new Journal(journalFile));
  await new Promise<void>((resolve) => provider.server.listen(port, '127.0.0.1', resolve));
  const address = provider.server.address();
  if (address === null || typeof address === 'string') throw new Error('the provider has no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    journal: provider.journal,
    openSockets: () => provider.sockets.size,
    socketsClosed: () => provider.socketsClosed(),
    release: () => provider.release(),
    close: () => provider.close(),
  };
}

class Provider {
  readonly server: Server;
  readonly journal: Journal;
  readonly sockets = new Set<Socket>();
  #count = 0;
  #held: (() => void)[] = [];
  #closedWaiters: (() => void)[] = [];
  /** What is being received and answered: each ends with a line in the journal. */
  readonly #receiving = new Set<Promise<void>>();

  constructor(journal: Journal) {
    this.journal = journal;
    this.server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const received = this.#receive(request, response).finally(() => this.#receiving.delete(received));
      this.#receiving.add(received);
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => {
        this.sockets.delete(socket);
        if (this.sockets.size > 0) return;
        for (const done of this.#closedWaiters.splice(0)) done();
      });
    });
  }

  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  socketsClosed(): Promise<void> {
    if (this.sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#closedWaiters.push(resolve));
  }

  async close(): Promise<void> {
    this.release();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await Promise.all(this.#receiving);
    this.journal.close();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (body === null) return;
    if (request.method !== 'POST') return answerJson(response, 404, { error: { message: 'not here' } });
    const asked = JSON.parse(body) as { model: string; stream?: boolean; stream_options?: { include_usage?: boolean } };
    const script = parseScript(asked.model);
    const n = ++this.#count;
    const stream = asked.stream === true;
    const asksUsage = asked.stream_options?.include_usage === true;
    const tokens = script.usage === 'zero' ? ZERO : tokensOf(n);
    const refused = script.refusesStreamOptions && asked.stream_options !== undefined;
    const reports = !refused && script.status === 200 && (!stream || asksUsage || script.usage !== 'asked');
    this.journal.append({
      kind: 'request',
      n,
      dispatchId: String(request.headers['x-client-request-id'] ?? ''),
      model: asked.model,
      stream,
      asksUsage,
      tokens: reports && script.usage !== 'never' ? tokens : null,
      headers: flatHeaders(request),
    });
    const turn: Turn = {
      n,
      script,
      model: asked.model,
      tokens,
      asksUsage,
      response,
      chunksSent: 0,
      usageSent: false,
      over: new AbortController(),
    };
    response.on('close', () => turn.over.abort());
    if (refused) {
      answerJson(response, 400, refusalOf('Unrecognized request argument supplied: stream_options'));
    } else {
      await this.#perform(turn, stream);
    }
    const how =
      response.writableFinished || response.writableEnded ? 'complete' : script.breaks ? 'broken' : 'callerGone';
    this.journal.append({ kind: 'end', n, how, usageSent: turn.usageSent, chunksSent: turn.chunksSent });
  }

  async #perform(turn: Turn, stream: boolean): Promise<void> {
    const { script, response } = turn;
    if (script.waitMs > 0) await pause(turn, script.waitMs);
    await this.#holdAt('head', turn);
    if (turn.over.signal.aborted) return;
    if (script.breaks !== null && !script.breaksMid) return breakOff(turn);
    if (script.status !== 200) {
      if (script.retryAfterSeconds !== null) response.setHeader('retry-after', String(script.retryAfterSeconds));
      return answerJson(response, script.status, refusalOf(`scripted status ${script.status}`));
    }
    if (stream) await this.#stream(turn);
    else await this.#answer(turn);
  }

  async #answer(turn: Turn): Promise<void> {
    const { script, response } = turn;
    const bytes = Buffer.from(JSON.stringify(completionOf(turn)));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
    const half = Math.floor(bytes.length / 2);
    await this.#send(turn, bytes.subarray(0, half));
    await this.#holdAt('mid', turn);
    if (turn.over.signal.aborted) return;
    if (script.breaks !== null) return breakOff(turn);
    await this.#send(turn, bytes.subarray(half, -1));
    turn.usageSent = script.usage !== 'never';
    await this.#holdAt('usage', turn);
    await this.#holdAt('end', turn);
    if (!turn.over.signal.aborted) response.end(bytes.subarray(-1));
  }

  async #stream(turn: Turn): Promise<void> {
    const { script, response } = turn;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': `req-${turn.n}` });
    for (let index = 0; index < script.chunks; index++) {
      if (turn.over.signal.aborted) return;
      if (index > 0 && script.gapMs > 0) await pause(turn, script.gapMs);
      const usage = script.usage === 'every' ? partOf(turn.tokens, (index + 1) / script.chunks) : undefined;
      await this.#send(turn, eventOf(turn, [{ index: 0, delta: deltaOf(turn, index), finish_reason: null }], usage));
      turn.chunksSent++;
      if (index === Math.floor((script.chunks - 1) / 2)) {
        await this.#holdAt('mid', turn);
        if (turn.over.signal.aborted) return;
        if (script.breaks !== null) return breakOff(turn);
      }
    }
    const finish = [{ index: 0, delta: {}, finish_reason: script.tools ? 'tool_calls' : 'stop' }];
    const isOnLast = script.usage === 'last' || script.usage === 'every';
    await this.#send(turn, eventOf(turn, finish, isOnLast ? turn.tokens : undefined));
    const ownChunk =
      script.usage === 'always' || (turn.asksUsage && (script.usage === 'asked' || script.usage === 'zero'));
    if (ownChunk) await this.#send(turn, eventOf(turn, [], turn.tokens));
    turn.usageSent = isOnLast || ownChunk;
    await this.#holdAt('usage', turn);
    if (turn.over.signal.aborted) return;
    await this.#send(turn, Buffer.from('data: [DONE]\n\n'));
    await this.#holdAt('end', turn);
    if (!turn.over.signal.aborted) response.end();
  }

  async #send(turn: Turn, bytes: Buffer): Promise<void> {
    if (turn.over.signal.aborted) return;
    if (!turn.script.splitBytes) {
      turn.response.write(bytes);
      return;
    }
    for (let index = 0; index < bytes.length; index++) {
      turn.response.write(bytes.subarray(index, index + 1));
      // Now and then a turn of the event loop, so that the cuts reach the gateway as separate reads.
      if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits for `release()` or for the gateway to go; a script that hangs waits for the latter only. */
  async #holdAt(point: Script['hold'], turn: Turn): Promise<void> {
    if (turn.script.hold !== point || turn.over.signal.aborted) return;
    await new Promise<void>((resolve) => {
      turn.response.once('close', resolve);
      if (!turn.script.hang) this.#held.push(resolve);
    });
  }
}

const ZERO: ExpectedTokens = { input: 0, output: 0, cacheRead: 0, reasoning: 0 };

/** Different for every n in every bucket that matters: `input + cacheRead` = 10,000 + n, and so on. */
export function tokensOf(n: number): ExpectedTokens {
  const cacheRead = n % 997;
  return { input: 10_000 + n - cacheRead, output: 200 + 3 * n, cacheRead, reasoning: n % 101 };
}

function usageOf(tokens: ExpectedTokens): object {
  const prompt = tokens.input + tokens.cacheRead;
  return {
    prompt_tokens: prompt,
    completion_tokens: tokens.output,
    total_tokens: prompt + tokens.output,
    prompt_tokens_details: { cached_tokens: tokens.cacheRead },
    completion_tokens_details: { reasoning_tokens: tokens.reasoning },
  };
}

function partOf(tokens: ExpectedTokens, share: number): ExpectedTokens {
  return { ...tokens, output: Math.floor(tokens.output * share), reasoning: 0 };
}

function deltaOf(turn: Turn, index: number): object {
  if (!turn.script.tools) return { ...(index === 0 ? { role: 'assistant' } : {}), content: `w${turn.n}-${index} ` };
  if (index === 0) return { role: 'assistant', tool_calls: [{ index: 0, ...toolCall(''), id: `call_${turn.n}` }] };
  return {
    tool_calls: [{ index: 0, function: { arguments: index === 1 ? '{"city":' : index === 2 ? '"Oslo"}' : '' } }],
  };
}

function toolCall(argumentText: string): object {
  return { type: 'function', function: { name: 'weather', arguments: argumentText } };
}

function eventOf(turn: Turn, choices: unknown[], tokens?: ExpectedTokens): Buffer {
  const chunk = {
    id: `chatcmpl-${turn.n}`,
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: turn.model,
    choices,
  };
  const withUsage = tokens === undefined ? chunk : { ...chunk, usage: usageOf(tokens) };
  return Buffer.from(`data: ${JSON.stringify(withUsage)}\n\n`);
}

function completionOf(turn: Turn): object {
  const words = Array.from({ length: turn.script.chunks }, (_, index) => `w${turn.n}-${index} `).join('');
  const message = turn.script.tools
    ? { role: 'assistant', content: null, tool_calls: [{ id: `call_${turn.n}`, ...toolCall('{"city":"Oslo"}') }] }
    : { role: 'assistant', content: words };
  return {
    id: `chatcmpl-${turn.n}`,
    object: 'chat.completion',
    created: 1_700_000_000,
    model: turn.model,
    choices: [{ index: 0, message, finish_reason: turn.script.tools ? 'tool_calls' : 'stop', logprobs: null }],
    ...(turn.script.usage === 'never' ? {} : { usage: usageOf(turn.tokens) }),
  };
}

function refusalOf(message: string): object {
  return { error: { message, type: 'invalid_request_error', code: null, param: null } };
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Less long when the gateway goes. */
async function pause(turn: Turn, ms: number): Promise<void> {
  await delay(ms, undefined, { signal: turn.over.signal }).catch(() => {});
}

function breakOff(turn: Turn): void {
  const socket = turn.response.socket;
  if (turn.script.breaks === 'reset') socket?.resetAndDestroy();
  else socket?.end();
  turn.over.abort();
}

/** null: the request broke off before its end. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part as Buffer);
  } catch {
    return null;
  }
  return Buffer.concat(parts).toString('utf8');
}

function flatHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
}

if (import.meta.main) {
  const provider = await startScriptedProvider(process.argv[2]!);
  console.log(`provider listening on ${provider.baseUrl}`);
}
