/**
 * A caller on a raw socket, which knows exactly what it saw of each answer: the head, each byte, the end, or the cut. It can
 * hang up at any moment. No client library: those retry, and hide how an answer ended.
 */
import { connect, type Socket } from 'node:net';
import { AnswerParser, headerOf } from './answer-parser.ts';
import { requestBytes } from './load.ts';

export interface CallShape {
  model: string;
  stream?: boolean;
  body?: Readonly<Record<string, unknown>>;
  headers?: Readonly<Record<string, string>>;
}

/** One answer as it arrived. */
export class Exchange {
  status = 0;
  rawHead = '';
  text = '';
  /** `complete`: the framing ended; `cut`: the connection did, first; null: still coming. */
  end: 'complete' | 'cut' | null = null;
  readonly over: Promise<'complete' | 'cut'>;
  readonly #resolveOver: (end: 'complete' | 'cut') => void;
  #watchers: (() => void)[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<'complete' | 'cut'>();
    this.over = promise;
    this.#resolveOver = resolve;
  }

  header(name: string): string | null {
    return headerOf(this.rawHead, name);
  }

  get dispatchId(): string | null {
    return this.header('x-weighbridge-dispatch-id');
  }

  /** The whole answer came, and it says itself that it is the end: a stream's `[DONE]`, a body's last byte. */
  get sawEnd(): boolean {
    if (this.status !== 200) return false;
    const isStream = this.header('content-type')?.startsWith('text/event-stream') === true;
    return isStream ? /(^|\n)data: \[DONE\]\r?\n/.test(this.text) : this.end === 'complete';
  }

  json<Body>(): Body {
    return JSON.parse(this.text) as Body;
  }

  /** Resolves as soon as the question is answered yes; rejects if the answer ends first. */
  when(question: (exchange: Exchange) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (question(this)) resolve();
        else if (this.end !== null)
          reject(new Error(`the answer ended (${this.end}) first: ${this.rawHead}${this.text}`));
        else this.#watchers.push(look);
      };
      look();
    });
  }

  progress(): void {
    for (const look of this.#watchers.splice(0)) look();
  }

  finish(end: 'complete' | 'cut'): void {
    if (this.end !== null) return;
    this.end = end;
    this.#resolveOver(end);
    this.progress();
  }
}

/** A keep-alive connection with one answer at a time. */
export class Caller {
  readonly #socket: Socket;
  readonly #url: string;
  readonly #token: string | null;
  readonly #parser: AnswerParser;
  #exchange: Exchange | null = null;
  #closed = false;

  constructor(url: string, token: string | null) {
    this.#url = url;
    this.#token = token;
    const { hostname, port } = new URL(url);
    this.#parser = new AnswerParser({
      head: (status, rawHead) => {
        const exchange = this.#exchange!;
        exchange.status = status;
        exchange.rawHead = rawHead;
      },
      body: (bytes) => {
        this.#exchange!.text += bytes.toString('latin1');
      },
      end: () => {
        const exchange = this.#exchange!;
        this.#exchange = null;
        exchange.finish('complete');
      },
    });
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => {
      const exchange = this.#exchange;
      this.#parser.push(bytes);
      exchange?.progress();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#closed = true;
      if (this.#exchange !== null) this.#parser.close();
      this.#exchange?.finish('cut');
      this.#exchange = null;
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  chat(shape: CallShape): Exchange {
    return this.post('/v1/chat/completions', {
      body: {
        model: shape.model,
        messages: [{ role: 'user', content: 'hello' }],
        ...(shape.stream === undefined ? {} : { stream: shape.stream }),
        ...shape.body,
      },
      headers: shape.headers ?? {},
    });
  }

  post(path: string, request: { body: unknown; headers?: Readonly<Record<string, string>> }): Exchange {
    return this.send('POST', path, request);
  }

  send(method: string, path: string, request: { body: unknown; headers?: Readonly<Record<string, string>> }): Exchange {
    if (this.#exchange !== null) throw new Error('one answer at a time');
    const exchange = new Exchange();
    if (this.#closed) {
      exchange.finish('cut');
      return exchange;
    }
    this.#exchange = exchange;
    const authorization = this.#token === null ? {} : { authorization: `Bearer ${this.#token}` };
    const headers = { ...authorization, ...request.headers };
    this.#socket.write(requestBytes({ url: this.#url, method, path, body: request.body, headers }));
    return exchange;
  }

  /** Leaves at once, without a word. */
  hangUp(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One call on its own connection, to its end. */
export async function callOnce(gateway: { url: string; token: string }, shape: CallShape): Promise<Exchange> {
  const caller = new Caller(gateway.url, gateway.token);
  const exchange = caller.chat(shape);
  await exchange.over;
  caller.close();
  return exchange;
}
