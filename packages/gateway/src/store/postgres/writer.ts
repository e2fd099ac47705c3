/**
 * One connection's transactions. It runs a batch's scripts beside each other in one transaction, one statement for each
 * step; when the server goes away it connects again and runs the batch again, for as long as the batch may be held.
 * Whether a commit that was not answered took place is never known: scripts find their own rows and change nothing twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Batch, BatchAnswer } from '../commit-queue.ts';
import type { StatementTexts } from '../compile.ts';
import { runScriptAsync, type Scripts } from '../run-script.ts';
import type { StatementText } from '../statement.ts';
import type { Answer, Step } from '../steps.ts';
import type { Row, Value } from '../store.ts';
import { connectWriter, rowsAsJson, type SessionOptions, storable } from './connection.ts';
import { mayPass } from './failures.ts';

/** What a changed row answers where its values are not asked for. */
const CHANGED: Row = {};
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 500;

export interface WriterOptions extends SessionOptions {
  statements: StatementTexts;
  scripts: Scripts;
  /** How long a batch is tried again before it is refused as unavailable, milliseconds. */
  holdMs: number;
}

export class PostgresWriter {
  readonly #options: WriterOptions;
  #client: pg.Client | null = null;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async commit(batch: Batch): Promise<BatchAnswer> {
    const deadline = performance.now() + this.#options.holdMs;
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
      try {
        return { kind: 'done', outputs: await this.#transact(batch) };
      } catch (error) {
        await this.#discard();
        const { message } = error as Error;
        if (!(error instanceof DatabaseFailure) || !mayPass(error.cause)) return { kind: 'rejected', message };
        if (this.#closed || performance.now() + pauseMs >= deadline) return { kind: 'unavailable', reason: message };
        // Gateways that lost the server together do not come back together.
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#discard();
  }

  async #transact({ groups }: Batch): Promise<unknown[][]> {
    this.#client ??= await said(connectWriter(this.#options));
    const client = this.#client;
    // `begin` travels with the first statement; what comes after a failure fails with it, so nothing is half done.
    const begun = said(client.query('begin'));
    begun.catch(() => {});
    const outputs: unknown[][] = [];
    for (const { script, inputs } of groups) {
      outputs.push(
        await runScriptAsync(this.#options.scripts, script, inputs, (steps) => this.#execute(client, steps)),
      );
    }
    await begun;
    const ended = await said(client.query('commit'));
    if (ended.command !== 'COMMIT') throw new Error(`the server answered ${ended.command} to a commit`);
    return outputs;
  }

  async #execute(client: pg.Client, steps: readonly Step[]): Promise<Answer[]> {
    const answers = await Promise.allSettled(steps.map((step) => this.#executeOne(client, step)));
    return answers.map((answer) => {
      // The first failure is the cause; those behind it only say that the transaction is over.
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    });
  }

  async #executeOne(client: pg.Client, { name, rows }: Step): Promise<Answer> {
    const statement = this.#options.statements[name];
    if (statement === undefined) throw new Error(`no statement is named ${name}`);
    const isAsked = statement.returns.kind === 'rows';
    const values = isAsked ? rows[0]!.map(storable) : [rowsAsJson(statement.columns, rows)];
    const result = await said(client.query<Row>({ name, text: statement.text, values }));
    return isAsked ? result.rows : aligned(statement, rows, result.rows);
  }

  async #discard(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    // A connection in an unknown state is not talked to any more; `end` on it may wait for an answer that never comes.
    (client as unknown as { connection?: { stream: { destroy(): void } } } | null)?.connection?.stream.destroy();
  }
}

/** Something the server or the way to it said; everything else that goes wrong in a transaction is a bug of ours. */
class DatabaseFailure extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

async function said<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    throw new DatabaseFailure(error as Error);
  }
}

/** Puts the rows that a statement returned beside the rows of values they belong to. */
function aligned(statement: StatementText, rows: readonly (readonly Value[])[], returned: readonly Row[]): Answer {
  const { returns, columns } = statement;
  if (returns.kind === 'nothing') return rows.map(() => CHANGED);
  if (returns.kind === 'keyed') {
    const keyAt = returns.key.map((column) => columns.indexOf(column));
    const found = new Set(returned.map((row) => JSON.stringify(returns.key.map((column) => row[column]))));
    return rows.map((values) => (found.has(JSON.stringify(keyAt.map((at) => storable(values[at]!)))) ? CHANGED : null));
  }
  const answer: (Row | null)[] = rows.map(() => null);
  for (const { place, ...row } of returned) answer[Number(place) - 1] = row;
  return answer;
}
