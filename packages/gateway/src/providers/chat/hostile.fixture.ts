/**
 * JSON with one member put out of its place, for tests of what must not throw: an object that cannot become a text, a number
 * in an odd spelling (which exact-json.ts keeps as an object), a list, nothing. It holds no test.
 */

const ODD_NUMBER = '@odd number@';
const HOSTILE: readonly unknown[] = [{ toString: 1, valueOf: 2 }, ODD_NUMBER, [], [null], null, {}, 'x', -1, true];

type Node = Record<string, unknown>;

/** Every text in which one member of the value is one of the hostile ones. */
export function* withOneHostile(value: unknown): Generator<string> {
  const copy = structuredClone(value);
  for (const [holder, key] of [...places(copy)]) {
    const own = holder[key];
    for (const hostile of HOSTILE) {
      holder[key] = hostile;
      yield JSON.stringify(copy).replaceAll(`"${ODD_NUMBER}"`, '1.0');
    }
    holder[key] = own;
  }
}

function* places(value: unknown): Generator<readonly [Node, string]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield [value as Node, key];
    yield* places(inner);
  }
}
