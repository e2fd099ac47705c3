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
import { BoundedLabels, ledgerFamilies } from './metric-families.ts';
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

interface MetricScope {
  totals: LedgerTotals;
  bounded: BoundedLabels;
}

export function metrics(app: FastifyInstance, { store, ofProcess, seriesMax }: MetricsDeps): void {
  const scopes = new Map<string | null, MetricScope>();

  app.get('/metrics', { config: { scope: 'metrics' }, schema: METRICS }, async (request, reply) => {
    const caller = callerOf(request);
    const tenantId = isOperator(caller) ? null : caller.tenantId;
    const { totals, bounded } = scopeOf(tenantId);
    const own = tenantId === null ? await ofProcess() : [];
    const text = exposition([...ledgerFamilies(await totals.read(), bounded), ...own]);
    reply.type(EXPOSITION_TYPE);
    return text;
  });

  function scopeOf(tenantId: string | null): MetricScope {
    const known = scopes.get(tenantId);
    const scope = known ?? { totals: new LedgerTotals(store, tenantId), bounded: new BoundedLabels(seriesMax) };
    scopes.delete(tenantId);
    scopes.set(tenantId, scope);
    if (scopes.size > SCOPES_MAX) scopes.delete(scopes.keys().next().value!);
    return scope;
  }
}
