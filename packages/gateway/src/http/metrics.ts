/**
 * `/metrics` for Prometheus. The ledger's totals come from its rollups, so they equal every other answer and survive
 * restarts; what the process itself measures comes from whoever does, and only the operator sees it: a key's metrics are
 * those of its tenant.
 */
import type { FastifyInstance } from 'fastify';
import { isOperator } from '../domain/caller.ts';
import { LedgerTotals } from '../ledger/metric-totals.ts';
import { EXPOSITION_TYPE, exposition, type Family } from '../lib/exposition.ts';
import type { Store } from '../store/store.ts';
import { ledgerFamilies } from './metric-families.ts';
import { callerOf } from './policy.ts';
import { METRICS } from './schemas.ts';

/** Tenants whose totals are kept between questions; one more, and the longest unasked is forgotten. */
const SCOPES_MAX = 16;

export interface MetricsDeps {
  store: Store;
  /** What this process measures. */
  ofProcess: () => Promise<Family[]>;
  /** Combinations of provider, model and agent that have series of their own. */
  seriesMax: () => number;
}

export function metrics(app: FastifyInstance, { store, ofProcess, seriesMax }: MetricsDeps): void {
  const scopes = new Map<string | null, LedgerTotals>();

  app.get('/metrics', { config: { scope: 'metrics' }, schema: METRICS }, async (request, reply) => {
    const caller = callerOf(request);
    const tenantId = isOperator(caller) ? null : caller.tenantId;
    const totals = await totalsOf(tenantId).read();
    const own = tenantId === null ? await ofProcess() : [];
    const text = exposition([...ledgerFamilies(totals), ...own]);
    reply.type(EXPOSITION_TYPE);
    return text;
  });

  function totalsOf(tenantId: string | null): LedgerTotals {
    const totals = scopes.get(tenantId) ?? new LedgerTotals(store, tenantId, seriesMax);
    scopes.delete(tenantId);
    scopes.set(tenantId, totals);
    if (scopes.size > SCOPES_MAX) scopes.delete(scopes.keys().next().value!);
    return totals;
  }
}
