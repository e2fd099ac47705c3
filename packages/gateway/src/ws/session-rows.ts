/** Rows of sessions for clients: what is remembered, what runs now, which model it would be. Asks; keeps nothing. */
import type { GatewayConfig } from '../domain/config.ts';
import type { Target } from '../domain/provider.ts';
import type { Session, SessionView } from '../sessions/session.ts';
import { mainAgent } from './agents-seen.ts';
import { modelFields, type RowContext, sessionRow } from './session-shapes.ts';
import { THINKING } from './thinking.ts';

export interface SessionRowsDeps {
  sessions: { describe(tenantId: string, sessionKey: string): Promise<SessionView | null> };
  turns: { live(tenantId: string, sessionKey: string): { runId: string; startedAt: number | null }[] };
  catalogue: { find(ref: string): Target | null };
  config: () => Pick<GatewayConfig, 'agents'>;
  now: () => number;
}

/** Where sessions are kept, as far as clients need to know. */
export const STORE_PATH = 'ledger';

export class SessionRows {
  readonly #deps: SessionRowsDeps;

  constructor(deps: SessionRowsDeps) {
    this.#deps = deps;
  }

  row(view: SessionView): Record<string, unknown> {
    const { turns, now } = this.#deps;
    const running = turns.live(view.tenantId, view.sessionKey);
    return sessionRow(view, { running, model: this.modelOf(view), now: now() });
  }

  /** Null: there is no such session. */
  async of(tenantId: string, sessionKey: string): Promise<Record<string, unknown> | null> {
    const view = await this.#deps.sessions.describe(tenantId, sessionKey);
    return view === null ? null : this.row(view);
  }

  modelOf({ agentId, overrides }: Pick<Session, 'agentId' | 'overrides'>): RowContext['model'] {
    const { agents } = this.#deps.config();
    const ref = overrides.model ?? agents.byId.get(agentId ?? mainAgent(agents))?.model;
    const target = typeof ref === 'string' ? this.#deps.catalogue.find(ref) : null;
    if (target === null) return null;
    const known = target.provider.models.find(({ id }) => id === target.model);
    return { provider: target.provider.id, model: target.model, contextTokens: known?.contextWindow ?? null };
  }

  resolved(session: Session): Record<string, unknown> {
    return {
      ...modelFields(this.modelOf(session)),
      agentRuntime: { id: 'weighbridge', source: 'implicit' },
      runtimeSelectionLocked: false,
    };
  }

  defaults(): Record<string, unknown> {
    const { agents } = this.#deps.config();
    return {
      ...modelFields(this.modelOf({ agentId: mainAgent(agents), overrides: {} })),
      agentRuntime: { id: 'weighbridge', source: 'implicit' },
      ...THINKING,
      modelSelectionTarget: 'session',
    };
  }
}
