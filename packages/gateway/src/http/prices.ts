/** Prices over HTTP: settled entries held against the prices in force, a page at a time. Decodes, asks, answers. */
import type { FastifyInstance } from 'fastify';
import { type RepriceDeps, repricePage } from '../ledger/reprice.ts';
import type { Clock } from '../lib/clock.ts';
import { tenantAsked, timeOf } from './asking.ts';
import { REPRICE } from './schemas.ts';

export interface PricingDeps extends Pick<RepriceDeps, 'store' | 'priceOf'> {
  correct: NonNullable<RepriceDeps['correct']>;
  /** Names the prices in force, so that who asks can tell whether they are those that were meant. */
  pricesHash: () => string;
  clock: Clock;
}

interface RepriceQuery {
  from: string;
  to?: string;
  tenant?: string;
  provider?: string;
  model?: string;
  unpriced?: boolean;
  dryRun?: boolean;
  cursor?: string;
  limit: number;
}

export function pricing(app: FastifyInstance, { store, priceOf, correct, pricesHash, clock }: PricingDeps): void {
  // It changes what is invoiced: not for whoever pays it.
  app.post<{ Querystring: RepriceQuery }>(
    '/api/v1/prices/reprice',
    { config: { scope: 'admin', operatorOnly: true }, schema: REPRICE },
    async (request) => {
      const {
        from,
        to,
        tenant,
        provider,
        model,
        unpriced = false,
        dryRun = false,
        cursor = null,
        limit,
      } = request.query;
      // First: prices that were just imported are looked for now.
      const hash = pricesHash();
      const page = await repricePage(
        { store, priceOf, correct: dryRun ? null : correct, now: () => clock.now() },
        {
          tenantId: tenantAsked(request, tenant),
          fromMs: timeOf(from, 'from'),
          toMs: to === undefined ? Number.MAX_SAFE_INTEGER : timeOf(to, 'to'),
          provider,
          model,
          unpricedOnly: unpriced,
          cursor,
          limit,
        },
      );
      return { ...page, pricesHash: hash };
    },
  );
}
