/** What the main thread and the store's two worker threads say to each other. Plain values only: they are cloned. */
import type { StatementTexts } from '../compile.ts';
import type { Row, Value } from '../store.ts';

export interface WriterSetup {
  file: string;
  statements: StatementTexts;
  /** Modules that export scripts by name. */
  scripts: string[];
}

export interface ReadRequest {
  id: number;
  sql: string;
  parameters: Value[];
}

export type ReadAnswer = { id: number; rows: Row[] } | { id: number; error: string };
