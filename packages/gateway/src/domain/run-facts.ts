/** What is said of a run as a whole, at its start and its end. Ids and attribution, never a text of the call. */
import type { Outcome } from '@weighbridge/protocol';

export interface RunStarted {
  runId: string;
  tenantId: string;
  keyId: string | null;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
  endUserId: string | null;
  tags: readonly string[];
  metadata: Readonly<Record<string, unknown>>;
  source: 'gateway' | 'proxy';
  requestedModel: string;
  startedAt: string;
}

export interface RunEnded extends RunStarted {
  /** Of the last dispatch; `failed` where there was none. */
  outcome: Outcome;
  /** A word of the ledger's, or the code of a refusal. */
  errorKind: string | null;
  dispatches: number;
  endedAt: string;
  durationMs: number;
}

/** Takes facts without being waited for. */
export interface RunTelling {
  /** Asked for each run: nobody pays for what nobody follows. */
  wants(type: 'run.started' | 'run.ended'): boolean;
  tell(type: 'run.started' | 'run.ended', fact: RunStarted | RunEnded): void;
}
