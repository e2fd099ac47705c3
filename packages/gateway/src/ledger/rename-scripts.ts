/**
 * The transaction that gives a ledger another name. A copy must not keep the name of what it was copied from: from then on
 * the same number would mean two things. It refuses while a gateway lives, because gateways read the name at their start.
 */
import { ask, each, type Steps } from '../store/steps.ts';

/** The names, or how many gateways are in the way; null where there is no ledger. */
export type Renamed = { ledgerId: string; copyOf: string } | { living: number } | null;

export function* renameLedger(inputs: readonly string[]): Steps<Renamed[]> {
  const renamed: Renamed[] = [];
  for (const ledgerId of inputs) {
    const [[ledger], [gateways]] = [yield* ask('rename.readName'), yield* ask('rename.living')];
    const living = Number(gateways!.living);
    if (!ledger) {
      renamed.push(null);
    } else if (living > 0) {
      renamed.push({ living });
    } else {
      yield* each('rename.name', [[ledgerId, 1]]);
      renamed.push({ ledgerId, copyOf: String(ledger.ledgerId) });
    }
  }
  return renamed;
}
