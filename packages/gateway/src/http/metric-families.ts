/**
 * What the ledger's totals are called in metrics, and with which labels. Labels are bounded: so many combinations of
 * provider, model and agent have series of their own, the rest are summed under `_other`; who has one keeps it, or a
 * counter would fall. Pure but for that memory. docs/metrics.md lists every name, and a test compares.
 */
import type { MetricTotals } from '../ledger/metric-totals.ts';
import { DurationCounts, type Family, type Labels } from '../lib/exposition.ts';

const OTHER = '_other';
const TOKEN_BUCKETS = ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const;
const USAGE_SOURCES = ['reported', 'partial', 'estimated', 'none'] as const;
const NANO_PER_USD = 1e9;

/** Which combinations have series of their own. */
export class BoundedLabels {
  readonly #max: () => number;
  readonly #named = new Set<string>();

  constructor(max: () => number) {
    this.#max = max;
  }

  /** The busiest first: what is named stays so. */
  name(totals: readonly MetricTotals[]): void {
    for (const { provider, model, agentId } of totals.toSorted((a, b) => b.sums.requests - a.sums.requests)) {
      if (this.#named.size >= this.#max()) return;
      this.#named.add(JSON.stringify([provider, model, agentId]));
    }
  }

  of({ provider, model, agentId }: MetricTotals): Labels {
    const isNamed = this.#named.has(JSON.stringify([provider, model, agentId]));
    return isNamed ? { provider, model, agent: agentId } : { provider: OTHER, model: OTHER, agent: OTHER };
  }
}

export function ledgerFamilies(totals: readonly MetricTotals[], bounded: BoundedLabels): Family[] {
  bounded.name(totals);
  const dispatches = new Sums();
  const tokens = new Sums();
  const cost = new Sums();
  const counted = new Sums();
  const unpriced = new Sums();
  const latencies = new Durations();
  const firstTokens = new Durations();
  for (const one of totals) {
    const labels = bounded.of(one);
    const { outcome, source, sums, big } = one;
    dispatches.add({ ...labels, outcome, source }, sums.requests);
    for (const bucket of TOKEN_BUCKETS) tokens.add({ ...labels, source, bucket }, Number(big[bucket]));
    cost.add({ ...labels, source }, Number(big.costNanoUsd) / NANO_PER_USD);
    for (const usageSource of USAGE_SOURCES) counted.add({ usage_source: usageSource }, sums[usageSource]);
    unpriced.add({}, sums.unpriced);
    latencies.add(labels, one.latencies);
    firstTokens.add(labels, one.firstTokens);
  }
  return [
    {
      name: 'weighbridge_dispatches_total',
      help: 'Settled dispatches.',
      type: 'counter',
      samples: dispatches.samples,
    },
    {
      name: 'weighbridge_tokens_total',
      help: 'Tokens of settled dispatches, in disjoint buckets.',
      type: 'counter',
      samples: tokens.samples,
    },
    {
      name: 'weighbridge_cost_usd',
      help: 'Cost of settled dispatches with its corrections. A gauge: a correction may lower it.',
      type: 'gauge',
      samples: cost.samples,
    },
    {
      name: 'weighbridge_dispatches_by_usage_total',
      help: 'Settled dispatches by how their usage came to be known.',
      type: 'counter',
      samples: counted.samples,
    },
    {
      name: 'weighbridge_unpriced_dispatches',
      help: 'Dispatches with usage whose cost is not known. A gauge: repricing lowers it.',
      type: 'gauge',
      samples: unpriced.samples,
    },
    {
      name: 'weighbridge_dispatch_duration_seconds',
      help: 'Completed dispatches, from start to end.',
      type: 'histogram',
      samples: latencies.samples,
    },
    {
      name: 'weighbridge_time_to_first_token_seconds',
      help: 'Completed dispatches, from start to the first byte of the answer’s body.',
      type: 'histogram',
      samples: firstTokens.samples,
    },
  ];
}

class Sums {
  readonly #byLabels = new Map<string, { labels: Labels; value: number }>();

  add(labels: Labels, value: number): void {
    const name = JSON.stringify(Object.values(labels));
    const kept = this.#byLabels.get(name);
    if (kept === undefined) this.#byLabels.set(name, { labels, value });
    else kept.value += value;
  }

  get samples() {
    return [...this.#byLabels.values()];
  }
}

class Durations {
  readonly #byLabels = new Map<string, { labels: Labels; counts: DurationCounts }>();

  add(labels: Labels, counts: DurationCounts): void {
    const name = JSON.stringify(Object.values(labels));
    const kept = this.#byLabels.get(name) ?? { labels, counts: new DurationCounts(counts.boundsSeconds) };
    kept.counts.merge(counts);
    this.#byLabels.set(name, kept);
  }

  get samples() {
    return [...this.#byLabels.values()].map(({ labels, counts }) => counts.sample(labels));
  }
}
