/** What parsed JSON is, where a reader must know before it looks inside. */

/** An object: neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
