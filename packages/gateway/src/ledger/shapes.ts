/**
 * By what folded sums are kept: by everything, and, for the questions that are asked most, by less, so that a month of hours
 * is thousands of rows and not tens of thousands. Every shape keeps tenant and bucket. Pure.
 */
import type { FoldedTier } from './periods.ts';
import type { RollupKey } from './rollup.ts';

type Dimension = 'provider' | 'model' | 'agentId' | 'source' | 'outcome';

const DIMENSIONS: readonly Dimension[] = ['provider', 'model', 'agentId', 'source', 'outcome'];

/** The smallest first; what a shape leaves out is empty in its keys. Pages ask by outcome too: how much of it failed. */
export const SHAPES = {
  sources: ['source'],
  outcomes: ['outcome'],
  'sources and outcomes': ['source', 'outcome'],
  agents: ['agentId'],
  'agents and outcomes': ['agentId', 'outcome'],
  models: ['provider', 'model'],
  'models and outcomes': ['provider', 'model', 'outcome'],
  all: DIMENSIONS,
} as const satisfies Record<string, readonly Dimension[]>;
export type Shape = keyof typeof SHAPES;

/** How a tier in a shape is called in `foldedRollups.tier`. */
export function tierName(tier: FoldedTier, shape: Shape): string {
  return shape === 'all' ? tier : `${tier} of ${shape}`;
}

/** The smallest shape that knows these columns. */
export function shapeFor(columns: readonly string[]): Shape {
  const needed = columns.filter((column) => (DIMENSIONS as readonly string[]).includes(column));
  const names = Object.keys(SHAPES) as Shape[];
  return names.find((name) => needed.every((column) => shapeKeeps(name, column))) ?? 'all';
}

export function shapeKeeps(shape: Shape, column: string): boolean {
  return (SHAPES[shape] as readonly string[]).includes(column);
}

export function keyIn(shape: Shape, key: RollupKey): RollupKey {
  return { ...key, ...Object.fromEntries(DIMENSIONS.map((name) => [name, shapeKeeps(shape, name) ? key[name] : ''])) };
}
