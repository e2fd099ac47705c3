/**
 * Finer sums added up into coarser ones: of each key of a shape one for each whole hour, quarter of a day, day or week. Most
 * shapes do not lie apart by outcome, so each sum says how many dispatches of the two outcomes that answers tell are in it.
 */
import { encode, mergeInto } from '../lib/histogram.ts';
import type { Row } from '../store/store.ts';
import { addRollup, keyText, noSums, type Rollup, type RollupKey } from './rollup.ts';
import { keyIn, type Shape } from './shapes.ts';

export interface FoldedRollup extends Rollup {
  sums: Rollup['sums'] & { completed: number; uncertain: number };
}

/** A finer sum as the store gives it, by everything; counts may come as text, they may pass 2^53. */
export type FoldedPart = Row | (RollupKey & Record<string, unknown>);

/** A sum that was made here as one that others are made of. */
export function partOf({ key, sums, latencies, firstTokens, lastSettledAt }: Rollup): FoldedPart {
  return { ...key, ...sums, latencies: encode(latencies), firstTokens: encode(firstTokens), lastSettledAt };
}

export class FoldedSums {
  readonly rollups = new Map<string, FoldedRollup>();
  readonly #unitMs: number;
  readonly #shape: Shape;

  constructor(unitMs: number, shape: Shape) {
    this.#unitMs = unitMs;
    this.#shape = shape;
  }

  add(part: FoldedPart): void {
    const { bucketStart, outcome } = part as RollupKey;
    const key = keyIn(this.#shape, part as RollupKey);
    const rollup = this.#rollupOf({ ...key, bucketStart: Math.floor(bucketStart / this.#unitMs) * this.#unitMs });
    const requests = Number(part.requests);
    addRollup(rollup.sums, {
      ...part,
      completed: outcome === 'completed' ? requests : 0,
      uncertain: outcome === 'uncertain' ? requests : 0,
    });
    mergeInto(rollup.latencies, part.latencies as Uint8Array);
    mergeInto(rollup.firstTokens, part.firstTokens as Uint8Array);
    rollup.lastSettledAt = Math.max(rollup.lastSettledAt, Number(part.lastSettledAt));
  }

  #rollupOf(key: RollupKey): FoldedRollup {
    const name = keyText(key);
    const known = this.rollups.get(name);
    if (known) return known;
    const sums = { ...noSums(), completed: 0, uncertain: 0 };
    const made = { key, sums, latencies: new Map(), firstTokens: new Map(), lastSettledAt: 0 };
    this.rollups.set(name, made);
    return made;
  }
}
