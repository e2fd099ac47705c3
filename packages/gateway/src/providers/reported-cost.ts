/**
 * What a provider says a request cost, in USD as exact decimal text. It is recorded beside our own price and never used
 * in its place. Every spelling we know is read from any provider, whatever its name.
 */
import { isObject } from '../lib/json-object.ts';
import { objectIn } from './parsed.ts';

/** One USD in xAI's ticks (docs.x.ai, "Cost Tracking"). */
const TICKS_DIGITS = 10;
/** A request that costs more is a mistake. */
const USD_MAX = 1_000_000;

/** From a usage object. Null where nothing, or nothing possible, is said. */
export function reportedCostUsd(usage: unknown): string | null {
  if (!isObject(usage)) return null;
  return (
    ofTicks(usage.cost_in_usd_ticks) ?? // xAI
    decimal(usage.cost) ?? // OpenRouter
    decimal(objectIn(usage, 'cost')?.total_cost) ?? // Perplexity
    decimal(usage.estimated_cost) // DeepInfra
  );
}

/** A number as plain decimal text: `1.5e-7` is `0.00000015`. */
export function decimal(value: unknown): string | null {
  if (typeof value !== 'number' || !(value >= 0 && value <= USD_MAX)) return null;
  const [digits = '', exponent] = String(value).split('e-');
  if (exponent === undefined) return digits;
  // One digit stands before the point.
  return `0.${'0'.repeat(Number(exponent) - 1)}${digits.replace('.', '')}`;
}

function ofTicks(ticks: unknown): string | null {
  if (!Number.isSafeInteger(ticks) || (ticks as number) < 0) return null;
  const text = String(ticks).padStart(TICKS_DIGITS + 1, '0');
  const whole = text.slice(0, -TICKS_DIGITS);
  const fraction = text.slice(-TICKS_DIGITS).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
