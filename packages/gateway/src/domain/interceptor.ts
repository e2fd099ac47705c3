/**
 * Who may decide before a dispatch is made. Runs ask it, plugins answer; neither knows the other. Where nobody wants to be
 * asked, no call waits for anything.
 */

/** A dispatch as it is planned. */
export interface PlannedDispatchView {
  runId: string;
  attempt: number;
  tenantId: string;
  keyId: string | null;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
  endUserId: string | null;
  tags: readonly string[];
  metadata: Readonly<Record<string, unknown>>;
  provider: string;
  model: string;
  requestedModel: string;
  /** On the pass-through the model cannot be changed. */
  source: 'gateway' | 'proxy';
}

/** What a dispatch is to be instead; checked by whoever asked. */
export interface DispatchChange {
  /** `provider/model`, or a model of the same provider. */
  model: string | null;
  tags: readonly string[];
  headers: Readonly<Record<string, string>>;
}

export interface Interceptor {
  readonly isWanted: boolean;
  /** Null: as planned. Rejects with GatewayError: not at all. */
  beforeDispatch(planned: PlannedDispatchView): Promise<DispatchChange | null>;
}
