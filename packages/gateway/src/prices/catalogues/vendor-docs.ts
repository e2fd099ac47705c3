/**
 * What vendors publish and no catalogue lists whole: tools of theirs that cost nothing but their tokens, and what a place
 * costs on top of them. Without these a dispatch that used one would be unpriced. Each with the page that says so; what is
 * not plain from there is not here.
 */
import { createHash } from 'node:crypto';
import type { RateName } from '../../domain/price.ts';
import type { PriceRow, RateCard } from '../card.ts';
import { type Catalogue, cardOf, rowOf, scaled } from './catalogue.ts';

interface Fact {
  vendor: string;
  rate: RateName;
  picoUsd: bigint;
  page: string;
}

/** What every price of tokens is multiplied by, on top of the tier of service. */
interface Surcharge {
  vendor: string;
  /** As it is named in a tier of service, alone or behind another: `us-inference`, `batch+us-inference`. */
  tier: string;
  thousandths: bigint;
  page: string;
}

const READ_ON = '2026-11-22';
const FACTS: readonly Fact[] = [
  {
    vendor: 'anthropic',
    rate: 'tool.web_fetch',
    picoUsd: 0n,
    // "Web fetch usage has no additional charges beyond standard token costs".
    page: 'platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool',
  },
];

const SURCHARGES: readonly Surcharge[] = [
  {
    vendor: 'anthropic',
    tier: 'us-inference',
    // Input, output, cache writes and cache reads; beside fast mode and batches. Models that do not know the parameter
    // refuse it, so it holds for every model whose answer says that it ran there.
    thousandths: 1100n,
    page: 'platform.claude.com/docs/en/about-claude/pricing#data-residency-pricing',
  },
];

/** A row with what its vendor's places cost, in the standard service and in each of its tiers. */
export function withSurcharges(vendor: string, row: PriceRow): PriceRow {
  const tiers: Record<string, RateCard> = { ...row.tiers };
  const also: Record<string, string> = { ...row.also };
  for (const { tier: place, thousandths } of SURCHARGES.filter((each) => each.vendor === vendor)) {
    for (const [tier, card] of [['', row.standard] as const, ...Object.entries(row.tiers)]) {
      const dearer = scaled(card, thousandths);
      if (dearer === null) continue;
      const name = tier === '' ? place : `${tier}+${place}`;
      tiers[name] = dearer;
      also[name] = 'vendor-docs';
    }
  }
  return { ...row, tiers, also };
}

export function vendorDocs(): Catalogue {
  const text = [
    ...FACTS.map(({ vendor, rate, picoUsd, page }) => `${vendor} ${rate} ${picoUsd} ${page}`),
    ...SURCHARGES.map(({ vendor, tier, thousandths, page }) => `${vendor} ${tier} ${thousandths} ${page}`),
  ].join('\n');
  return {
    id: 'vendor-docs',
    source: {
      version: READ_ON,
      date: READ_ON,
      from: [...FACTS, ...SURCHARGES].map(({ page }) => page).join(', '),
      licence: 'facts',
      sha256: createHash('sha256').update(text).digest('hex'),
    },
    // It knows no models: it only adds to those that others list.
    names: () => [],
    find: (vendor) => {
      const own = FACTS.filter((fact) => fact.vendor === vendor).map(({ rate, picoUsd }) => [rate, picoUsd] as const);
      return own.length === 0 ? null : [rowOf('vendor-docs', cardOf(Object.fromEntries(own)))];
    },
    coversDates: () => false,
    areOne: () => false,
    leftOut: [],
  };
}
