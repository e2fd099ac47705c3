/**
 * The `demo/scripted` model: it answers in process, so that a fresh installation shows a metered call before any
 * provider is configured. Same dialect, same transport as a real upstream; the numbers are the estimator's, its price 0.
 */
import { tokensOfBytes } from './estimate.ts';
import { openaiCompletions } from './openai-completions.ts';
import type { Transport, UpstreamExchange, UpstreamHandlers, UpstreamRequest } from './transport.ts';

export const DEMO_TEXT =
  'This is a demo answer: no model was called, because no provider is configured yet. ' +
  'Your request was still attributed, counted, priced and written to the ledger before this answer ended, as every real one will be. ' +
  'Set OPENAI_API_KEY, or another vendor’s key, and start again to talk to a real model.';

const WORDS_PER_CHUNK = 4;

export class DemoTransport implements Transport {
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  send(request: UpstreamRequest, handlers: UpstreamHandlers): UpstreamExchange {
    const playback = new Playback(answerTo(request.body as Buffer, Math.floor(this.#now() / 1000)), handlers);
    setImmediate(() => playback.start());
    return playback;
  }
}

interface Answer {
  status: number;
  contentType: string;
  chunks: Buffer[];
}

class Playback implements UpstreamExchange {
  readonly #answer: Answer;
  readonly #handlers: UpstreamHandlers;
  #next = 0;
  #isPaused = false;
  #isAborted = false;

  constructor(answer: Answer, handlers: UpstreamHandlers) {
    this.#answer = answer;
    this.#handlers = handlers;
  }

  start(): void {
    if (this.#isAborted) return;
    this.#handlers.sent();
    this.#handlers.head(this.#answer.status, { 'content-type': this.#answer.contentType });
    this.#play();
  }

  abort(): void {
    this.#isAborted = true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    setImmediate(() => this.#play());
  }

  #play(): void {
    if (this.#isAborted || this.#isPaused) return;
    const chunk = this.#answer.chunks[this.#next++];
    if (chunk === undefined) {
      this.#isAborted = true;
      this.#handlers.end();
      return;
    }
    this.#handlers.chunk(chunk);
    setImmediate(() => this.#play());
  }
}

function answerTo(body: Buffer, created: number): Answer {
  const asked = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  if (typeof asked.n === 'number' && asked.n !== 1)
    return refusal('The demo model answers with one choice: leave out `n`.');
  const prompt = openaiCompletions.estimatePrompt(body);
  const completion = tokensOfBytes(Buffer.byteLength(DEMO_TEXT));
  const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
  const common = { id: 'chatcmpl-demo', created, model: asked.model };
  return asked.stream === true ? streamed(asked.stream_options, common, usage) : whole(common, usage);
}

function whole(common: object, usage: object): Answer {
  const message = { role: 'assistant', content: DEMO_TEXT };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  return json(200, { ...common, object: 'chat.completion', choices, usage });
}

function streamed(options: unknown, common: object, usage: object): Answer {
  const chunk = (rest: object): Buffer =>
    Buffer.from(`data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', ...rest })}\n\n`);
  const choice = (delta: object, finish_reason: string | null): Buffer =>
    chunk({ choices: [{ index: 0, delta, finish_reason }] });
  const chunks = [choice({ role: 'assistant', content: '' }, null)];
  for (const content of pieces(DEMO_TEXT)) chunks.push(choice({ content }, null));
  chunks.push(choice({}, 'stop'));
  if ((options as { include_usage?: unknown } | null | undefined)?.include_usage === true) {
    chunks.push(chunk({ choices: [], usage }));
  }
  chunks.push(Buffer.from('data: [DONE]\n\n'));
  return { status: 200, contentType: 'text/event-stream; charset=utf-8', chunks };
}

function pieces(text: string): string[] {
  const words = text.split(/(?<= )/);
  const found: string[] = [];
  for (let at = 0; at < words.length; at += WORDS_PER_CHUNK) found.push(words.slice(at, at + WORDS_PER_CHUNK).join(''));
  return found;
}

function refusal(message: string): Answer {
  return json(400, { error: { message, type: 'invalid_request_error', code: null, param: 'n' } });
}

function json(status: number, body: object): Answer {
  return { status, contentType: 'application/json', chunks: [Buffer.from(JSON.stringify(body))] };
}
