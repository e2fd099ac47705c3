/**
 * The provider of `try:openclaw`: answers in four dialects what the last marker in the conversation asks for, and writes down
 * every request that reached it and how its answer ended. It knows nothing of the gateway; the journal is what the ledger is
 * compared with.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Answer, type Dialect, dialectOf, streamOf, wholeOf } from './answers.ts';

/** What a turn of the conversation asks the provider to do: `[[tools 3]]` anywhere in its text, the number its own. */
const MARKER = /\[\[(plain|tools|retry|hang) (\d+)\]\]/g;
const TOOL_TURNS = 2;
const REFUSALS = 2;

export interface JournalEntry {
  /** Also the answer's `x-request-id`, and told by its usage: no two are alike. */
  n: number;
  dialect: Dialect | null;
  path: string;
  marker: string | null;
  headers: IncomingHttpHeaders;
  status: number;
  usage: { input: number; output: number } | null;
  /** Null: not over yet. */
  end: 'complete' | 'callerGone' | null;
}

export class TryProvider {
  readonly journal: JournalEntry[] = [];
  readonly #server: Server;
  readonly #seen = new Map<string, number>();
  #watchers: (() => void)[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () =>
        this.#answer(request.url ?? '', request.headers, Buffer.concat(chunks).toString(), response),
      );
    });
  }

  static async start(): Promise<TryProvider> {
    const provider = new TryProvider();
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The first request with this marker, as soon as it is there. */
  async asked(marker: string): Promise<JournalEntry> {
    for (;;) {
      const found = this.journal.find((entry) => entry.marker === marker);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(path: string, headers: IncomingHttpHeaders, body: string, response: ServerResponse): void {
    const n = this.journal.length + 1;
    const dialect = dialectOf(path);
    const [marker = null, kind = 'plain'] = [...body.matchAll(MARKER)].at(-1) ?? [];
    const times = this.#count(marker ?? '');
    const usage = dialect === null ? null : { input: 1000 + n, output: 10 + n };
    const entry: JournalEntry = { n, dialect, path, marker, headers, status: 200, usage, end: null };
    this.journal.push(entry);
    for (const wake of this.#watchers.splice(0)) wake();
    response.once('close', () => {
      entry.end = response.writableFinished ? 'complete' : 'callerGone';
    });
    const head = { 'x-request-id': `try-${n}`, 'content-type': 'application/json' };
    if (dialect === null || (kind === 'retry' && times <= REFUSALS)) {
      entry.status = dialect === null ? 404 : 503;
      entry.usage = null;
      response.writeHead(entry.status, head).end('{"error":{"message":"not now","type":"server_error"}}');
      return;
    }
    const callsTool = kind === 'tools' && times <= TOOL_TURNS;
    const answer: Answer = { n, usage: usage!, text: `The answer ${n} to ${marker ?? 'nothing'}.`, callsTool };
    if (!isStreamed(path, body)) {
      response.writeHead(200, head).end(JSON.stringify(wholeOf(dialect, answer)));
      return;
    }
    const events = streamOf(dialect, answer);
    response.writeHead(200, { ...head, 'content-type': 'text/event-stream' });
    if (kind !== 'hang') response.end(events.join(''));
    // And then no more, for as long as somebody listens.
    else response.write(events.slice(0, Math.ceil(events.length / 2)).join(''));
  }

  #count(marker: string): number {
    const times = (this.#seen.get(marker) ?? 0) + 1;
    this.#seen.set(marker, times);
    return times;
  }
}

function isStreamed(path: string, body: string): boolean {
  return path.includes(':streamGenerateContent') || /"stream"\s*:\s*true/.test(body);
}
