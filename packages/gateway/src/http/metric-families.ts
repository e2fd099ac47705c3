/**
 * What the ledger's totals are called in metrics, and with which labels. That these are bounded is seen to where the totals
 * are summed. Pure. docs/metrics.md lists every name, and a test compares.
 */
import { USAGE_BUCKETS, USAGE_SOURCES } from '@weighbridge/protocol';
import type { MetricTotals } from '../ledger/metric-totals.ts';
import { DurationCounts, type Family, type Labels } from '../lib/exposition.ts';

const NANO_PER_USD = 1e9;

export function ledgerFamilies(totals: readonly MetricTotals[]): Family[] {
  const dispatches = new Sums();
  const tokens = new Sums();
  const cost = new Sums();
  const counted = new Sums();
  const unpriced = new Sums();
  const latencies = new Durations();
  const firstTokens = new Durations();
  for (const one of totals) {
    const { provider, model, agentId, outcome, source, sums, big } = one;
    const labels = { provider, model, agent: agentId };
    dispatches.add({ ...labels, outcome, source }, sums.requests);
    for (const bucket of USAGE_BUCKETS) tokens.add({ ...labels, source, bucket }, Number(big[bucket]));
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
