/** What the main thread and the store's two worker threads say to each other. Plain values only: they are cloned. */
import type { StatementTexts } from '../compile.ts';
import type { Value } from '../store.ts';

export interface WriterSetup {
  file: string;
  statements: StatementTexts;
  /** Modules that export scripts by name. */
  scripts: string[];
}

export interface ReadRequest {
  sql: string;
  parameters: Value[];
}

/** Rows travel without the names of their columns: a thread clones four times as many in the same time. */
export type ReadAnswer = { columns: string[]; rows: Value[][] } | { error: string };
