/**
 * `reasoning_details`, as OpenRouter has them: reasoning that its maker must be given back unchanged, with its signature. In
 * a stream one detail comes in pieces of the same type and index, and a caller may send them back unjoined.
 */
import type { Json } from '../parsed.ts';

/** Joins a piece to the one that it continues. */
export function addDetail(details: Json[], piece: Json): void {
  const last = details.at(-1);
  if (last === undefined || last.type !== piece.type || last.index !== piece.index || piece.data !== undefined) {
    details.push({ ...piece });
    return;
  }
  const text = [last.text, piece.text].filter((one) => typeof one === 'string').join('');
  Object.assign(last, piece, text === '' ? {} : { text });
}
