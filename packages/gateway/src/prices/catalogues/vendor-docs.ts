/**
 * What vendors publish and no catalogue lists: tools of theirs that cost nothing but their tokens. Without these a dispatch
 * that used one would be unpriced. Each with the page that says so; a tool whose price is not plain from there is not here.
 */
import { createHash } from 'node:crypto';
import type { RateName } from '../../domain/price.ts';
import { type Catalogue, cardOf, rowOf } from './catalogue.ts';

interface Fact {
  vendor: string;
  rate: RateName;
  picoUsd: bigint;
  page: string;
}

const READ_ON = '2026-11-21';
const FACTS: readonly Fact[] = [
  {
    vendor: 'anthropic',
    rate: 'tool.web_fetch',
    picoUsd: 0n,
    // "Web fetch usage has no additional charges beyond standard token costs".
    page: 'platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool',
  },
];

export function vendorDocs(): Catalogue {
  const text = FACTS.map(({ vendor, rate, picoUsd, page }) => `${vendor} ${rate} ${picoUsd} ${page}`).join('\n');
  return {
    id: 'vendor-docs',
    source: {
      version: READ_ON,
      date: READ_ON,
      from: FACTS.map(({ page }) => page).join(', '),
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
