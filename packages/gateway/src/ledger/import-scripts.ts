/**
 * The transactions of an import: rows of another ledger as they are, keys, numbers and times included. What is there
 * already stays, so a page that was written before a break may be written again.
 */
import { ask, each, type Steps } from '../store/steps.ts';
import type { Value } from '../store/store.ts';

export interface ImportedLedger {
  ledgerId: string;
  lastSeq: number;
  lastSettledAt: number;
}

/** What an import finds at its destination. */
export type Destination = 'empty' | 'importing' | { ledgerId: string };

export interface ImportedRows {
  statement: `import.${
    | 'entries'
    | 'events'
    | 'followers'
    | 'instances'
    | 'pluginEventsAside'
    | 'keys'
    | 'reports'
    | 'webhooks'
    | 'deliveries'
    | 'sessions'
    | 'transcripts'}`;
  rows: Value[][];
}

export function* beginImport(inputs: readonly ImportedLedger[]): Steps<Destination[]> {
  const found: Destination[] = [];
  for (const { ledgerId, lastSeq, lastSettledAt } of inputs) {
    const [row] = yield* ask('import.readLedger');
    if (!row) {
      yield* each('import.ledger', [[1, ledgerId, lastSeq, lastSettledAt, 1]]);
      found.push('empty');
    } else if (row.importing === 1 && row.ledgerId === ledgerId) {
      // The source may have gone on since the break.
      yield* each('import.moveCounters', [[lastSeq, lastSettledAt, 1]]);
      found.push('importing');
    } else {
      found.push({ ledgerId: String(row.ledgerId) });
    }
  }
  return found;
}

export function* importRows(inputs: readonly ImportedRows[]): Steps<number[]> {
  const written: number[] = [];
  for (const { statement, rows } of inputs) {
    const answer = yield* each(statement, rows);
    written.push(answer.filter((row) => row !== null).length);
  }
  return written;
}

export function* endImport(inputs: readonly null[]): Steps<null[]> {
  yield* each('import.end', [[0, 1]]);
  return inputs.map(() => null);
}
