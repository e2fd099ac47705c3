/** How much of a message's text is kept: whole characters, at most so many bytes. Pure. */

export function keptText(text: string, bytesMax: number): { text: string; truncated?: true } {
  // No character is longer than three bytes for each of its code units.
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return { text: storable(text) };
  const cut = Buffer.from(text).subarray(0, bytesMax).toString('utf8');
  // A character that was cut in two is a replacement character now.
  return { text: storable(cut.replace(/\ufffd+$/, '')), truncated: true };
}

/** No engine keeps a NUL or half of a surrogate pair. */
function storable(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text).toWellFormed();
}
