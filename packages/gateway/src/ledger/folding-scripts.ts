/**
 * The transaction that folds rollups of whole hours, quarters of a day, days and weeks of UTC that are over. An hour is over when
 * a later one was settled in: `settledAt` never goes back, so nothing of it can change.
 */
import { ask, each, type Steps } from '../store/steps.ts';
import type { Row, Value } from '../store/store.ts';
import { FOLDED_SUMS, ROLLUP_KEY } from './columns.ts';
import { type FoldedPart, FoldedSums, partOf } from './folded-sums.ts';
import { type FoldedTier, TIER_MS, type Tier } from './periods.ts';
import { SHAPES, type Shape, tierName } from './shapes.ts';

/** Units folded in one transaction: a settlement that waits for it must not wait long. */
const UNITS_AT_ONCE = 24;

export interface FoldedSome {
  rows: number;
  /** True: call again. */
  isMore: boolean;
}

/** Each tier is folded from the next finer one. */
const STEPS = [
  { tier: 'hour', from: 'quarter' },
  { tier: 'shift', from: 'hour' },
  { tier: 'day', from: 'shift' },
  { tier: 'week', from: 'day' },
] as const satisfies readonly { tier: FoldedTier; from: Tier }[];

export function* foldRollups(inputs: readonly null[]): Steps<FoldedSome[]> {
  const [row] = yield* ask('folding.lockProgress', [1]);
  const some: FoldedSome = { rows: 0, isMore: false };
  const advanced: number[] = [];
  // What is over of the finest: everything before the last settlement.
  let overToMs = Number(row?.lastSettledAt ?? 0);
  for (const { tier, from } of STEPS) {
    const step = yield* foldTier(tier, from, Number(row?.[`${tier}sFoldedTo`] ?? 0), overToMs);
    some.rows += step.rows;
    some.isMore ||= step.isMore;
    advanced.push(step.toMs);
    overToMs = step.toMs;
  }
  yield* each('folding.advance', [[...advanced, 1]]);
  return inputs.map(() => some);
}

/** Throws the folded sums away and folds them again, in one transaction: who asks meanwhile sees all or nothing of it. */
export function* foldAgain(): Steps<void> {
  yield* ask('folding.clear');
  yield* each('folding.advance', [[0, 0, 0, 0, 1]]);
  while (true) {
    const [some] = yield* foldRollups([null]);
    if (!some!.isMore) return;
  }
}

/** Folds the next units between what is folded and what is over; units in which nothing was settled are passed over. */
function* foldTier(
  tier: FoldedTier,
  from: Tier,
  foldedToMs: number,
  overToMs: number,
): Steps<{ rows: number; toMs: number; isMore: boolean }> {
  const unitMs = TIER_MS[tier];
  const endMs = Math.floor(overToMs / unitMs) * unitMs;
  let rows = 0;
  let toMs = foldedToMs;
  for (let unit = 0; unit < UNITS_AT_ONCE; unit++) {
    const [first] = yield* ask(`folding.${from}Next`, [toMs, endMs]);
    if (first === undefined) return { rows, toMs: Math.max(toMs, endMs), isMore: false };
    const startMs = Math.floor(Number(first.bucketStart) / unitMs) * unitMs;
    const parts = yield* ask(`folding.${from}Within`, [startMs, startMs + unitMs]);
    const folded = foldedRows(tier, parts);
    yield* each('folding.insert', folded);
    rows += folded.length;
    toMs = startMs + unitMs;
  }
  return { rows, toMs, isMore: true };
}

function foldedRows(tier: FoldedTier, parts: readonly Row[]): Value[][] {
  const folded = (shape: Shape, of: readonly FoldedPart[]): FoldedPart[] => {
    const sums = new FoldedSums(TIER_MS[tier], shape);
    for (const part of of) sums.add(part);
    return [...sums.rollups.values()].map(partOf);
  };
  // Smaller shapes are made of the largest: it is far less than its parts.
  const whole = folded('all', parts);
  return (Object.keys(SHAPES) as Shape[]).flatMap((shape) =>
    (shape === 'all' ? whole : folded(shape, whole)).map((part) => foldedRow(tierName(tier, shape), part)),
  );
}

function foldedRow(tier: string, part: FoldedPart): Value[] {
  const columns = [...ROLLUP_KEY, ...FOLDED_SUMS, 'latencies', 'firstTokens', 'lastSettledAt'] as const;
  return [tier, ...columns.map((column) => (part as Row)[column]!)];
}
