/**
 * The provider's own record of what it was asked: one JSON line per fact in an append-only file. A request's line is on
 * disk before the provider answers, so whatever dies, the journal is what the ledger is compared with.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** The buckets an entry must show, worked out here and not by the code under test. */
export interface ExpectedTokens {
  input: number;
  output: number;
  cacheRead: number;
  reasoning: number | null;
}

export interface JournalRequest {
  kind: 'request';
  n: number;
  /** From `x-client-request-id`: empty when the gateway sent none. */
  dispatchId: string;
  model: string;
  stream: boolean;
  /** The request carried `stream_options.include_usage: true`. */
  asksUsage: boolean;
  /** What the answer reports if it is delivered to its end; null when it reports nothing. */
  tokens: ExpectedTokens | null;
  headers: Record<string, string>;
}

export interface JournalEnd {
  kind: 'end';
  n: number;
  how: 'complete' | 'broken' | 'callerGone';
  usageSent: boolean;
  chunksSent: number;
}

export type JournalLine = JournalRequest | JournalEnd;

export class Journal {
  readonly #file: number;
  readonly lines: JournalLine[] = [];
  #watchers: ((line: JournalLine) => void)[] = [];

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Requests are synced before this returns; ends need not be, they are only looked at while the provider lives. */
  append(line: JournalLine): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    if (line.kind === 'request') fsyncSync(this.#file);
    this.lines.push(line);
    for (const watcher of this.#watchers) watcher(line);
  }

  /** Resolves at the first line, past or coming, that satisfies the question. */
  async when(question: (line: JournalLine) => boolean): Promise<JournalLine> {
    const past = this.lines.find(question);
    if (past !== undefined) return past;
    return new Promise((resolve) => {
      const watcher = (line: JournalLine): void => {
        if (!question(line)) return;
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        resolve(line);
      };
      this.#watchers.push(watcher);
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readJournal(path: string): { requests: JournalRequest[]; ends: JournalEnd[] } {
  const text = readFileSync(path, 'utf8');
  // The last line may be half written while the provider lives.
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalLine);
  return {
    requests: lines.filter((line) => line.kind === 'request'),
    ends: lines.filter((line) => line.kind === 'end'),
  };
}
