/** What the main thread and the store's two worker threads say to each other. Plain values only: they are cloned. */
import type { Row, StatementTexts, Value } from '../store.ts';

export interface WriterSetup {
  file: string;
  statements: StatementTexts;
  /** Modules that export scripts by name. */
  scripts: string[];
}

/** One transaction: for each script the inputs that wait for it, in the order the scripts must run. */
export interface Batch {
  groups: { script: string; inputs: unknown[] }[];
  /** Wait for the disk at commit. */
  sync: boolean;
}

export type BatchAnswer =
  | { kind: 'done'; outputs: unknown[][] }
  /** The database could not commit for a reason that can pass; nothing of the batch is stored. */
  | { kind: 'unavailable'; reason: string }
  /** One script refused its input (a bug or a constraint); nothing of the batch is stored. */
  | { kind: 'rejected'; message: string };

export interface ReadRequest {
  id: number;
  sql: string;
  parameters: Value[];
}

export type ReadAnswer = { id: number; rows: Row[] } | { id: number; error: string };
