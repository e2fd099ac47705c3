/**
 * What other models than the one that served a dispatch consumed on its way: an advisor is asked in the middle of an answer
 * and billed at its own model's rates. The entry's usage has all tokens; here it comes apart, each part with the price of
 * its own model. Pure. Where one part has no price the dispatch has no cost.
 */
import { USAGE_BUCKETS, USAGE_PARTS, type Usage } from '@weighbridge/protocol';
import { type Line, type PricePin, priceIdOf, priceLines, type RateName, sumNanoUsd, unpricedUnits } from './price.ts';

/** What one other model consumed. */
export interface ModelUsage {
  model: string;
  /** In tokens alone: nobody says of another model how much was reasoning, or which tools it called. */
  usage: Usage;
}

/** The same with that model's own price; null: none was in force. */
export interface OtherModel extends ModelUsage {
  price: PricePin | null;
}

/** What one model consumed of a dispatch; `model` is null for the one that served it. */
export interface DispatchPart {
  model: string | null;
  usage: Usage;
  price: PricePin | null;
}

/** What the price of a part follows from, among more that is the same for all. */
interface PartQuestion {
  model: string;
  servedModel: string | null;
  serviceTier: string | null;
  usage: Usage;
}

/** Those that are another model than the one that served, and consumed something. */
export function othersThan(served: string, all: readonly ModelUsage[]): readonly ModelUsage[] {
  return all.filter(({ model, usage }) => model !== served && usage.total > 0);
}

/** Asks for the price of each part, each for a prompt of its own size. */
export function pricesOfParts<Question extends PartQuestion>(
  question: Question,
  others: readonly ModelUsage[],
  priceOf: (question: Question) => PricePin | null,
): { price: PricePin | null; otherModels: OtherModel[] } {
  const serviceTier = tierOfOthers(question.serviceTier);
  return {
    price: priceOf({ ...question, usage: withoutOthers(question.usage, others) }),
    otherModels: others.map(({ model, usage }) => ({
      model,
      usage,
      price: priceOf({ ...question, model, servedModel: null, serviceTier, usage }),
    })),
  };
}

/** Faster or reserved service is of one model, and the answer names that of the one that served. */
const OF_ONE_MODEL = /^(fast|priority)\b/;
/** No book has it: such a part has a price where the config gives one. */
const NOT_TOLD = 'not-told';

/** A batch, or the country of the inference, is the whole request's. */
function tierOfOthers(serviceTier: string | null): string | null {
  return OF_ONE_MODEL.test(serviceTier ?? '') ? NOT_TOLD : serviceTier;
}

/** The part of the model that served first. */
export function partsOf(usage: Usage, price: PricePin | null, otherModels: readonly OtherModel[]): DispatchPart[] {
  return [{ model: null, usage: withoutOthers(usage, otherModels), price }, ...otherModels];
}

/** A count that others exceed becomes negative, which no price covers. */
function withoutOthers(usage: Usage, others: readonly ModelUsage[]): Usage {
  if (others.length === 0) return usage;
  const own = { ...usage };
  for (const other of others) {
    for (const name of [...USAGE_BUCKETS, ...USAGE_PARTS, 'total'] as const) own[name] -= other.usage[name];
  }
  return own;
}

/** The name of a line: another model's says whose it is. */
export function lineName({ model }: DispatchPart, name: RateName): string {
  return model === null ? name : `${model} ${name}`;
}

export function partLines({ usage, price }: DispatchPart): Line[] | null {
  return price === null ? null : priceLines(usage, price.rates);
}

/** What of a dispatch no price covers, for people. */
export function unpricedOf(parts: readonly DispatchPart[]): string[] {
  return parts.flatMap((part) =>
    unpricedUnits(part.usage, part.price?.rates ?? {}).map((name) => lineName(part, name)),
  );
}

/** In nano-USD, all lines summed and rounded once; null where a part is not covered. */
export function dispatchCost(parts: readonly DispatchPart[]): bigint | null {
  const lines = parts.map(partLines);
  return lines.every((each) => each !== null) ? sumNanoUsd(lines.flat()) : null;
}

/** Of all prices that made the cost: equal prices have equal ids. */
export function dispatchPriceId(price: PricePin, otherModels: readonly OtherModel[]): string {
  if (otherModels.length === 0) return price.priceId;
  // A model may have any name.
  const others = otherModels.map((other) => JSON.stringify([other.model, other.price?.priceId])).sort();
  return priceIdOf(price.source, [price.priceId, ...others].join(';'));
}
