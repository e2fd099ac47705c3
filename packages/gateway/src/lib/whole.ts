/**
 * Whole numbers of any size that cost what small ones cost: a number while it is exact, a bigint beyond. Each value has one
 * form only, so two are equal when `===` says so, and `<` compares the forms with each other. `String` writes both.
 */
export type Whole = number | bigint;

/** Decimal text, or a number as the database gives it. */
export function wholeOf(value: string | number | bigint): Whole {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

export function plus(one: Whole, other: Whole): Whole {
  if (typeof one === 'number' && typeof other === 'number') {
    const sum = one + other;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return wholeOf(BigInt(one) + BigInt(other));
}
