/**
 * Editing JSON without re-serialising it. A scan finds where the members of an object lie in the bytes; a splice replaces
 * byte ranges, so unknown fields, key order and number spellings survive. The scan is not a validator: whoever takes
 * bytes from outside runs `JSON.parse` as well and trusts only bodies that passed both.
 */

/** Half-open range of bytes. */
export interface Range {
  start: number;
  end: number;
}

/** One member of an object; the range is its value's. */
export interface Member extends Range {
  /** Decoded: `"mod\u0065l"` is `model`. */
  key: string;
  keyStart: number;
}

export interface ObjectScan {
  members: Member[];
  /** Keys that occur more than once, each named once. */
  duplicates: string[];
  /** Where the first member would be inserted: right behind the opening brace. */
  insertAt: number;
  /** Behind the closing brace. */
  end: number;
}

export interface Edit extends Range {
  bytes: Uint8Array;
}

export type ScanFailure = 'malformed' | 'too_deep';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** Below this length a loop finds the quote sooner than a native search does. */
const SHORT_STRING = 24;
/** Up to this many members a linear search for duplicates is cheaper than a set. */
const FEW_MEMBERS = 24;

const MALFORMED = -1;
const TOO_DEEP = -2;

/** The members of the object that begins at `from` (white space allowed before it). Depth 1 is the object itself. */
export function scanObject(bytes: Buffer, from = 0, depthMax = Number.POSITIVE_INFINITY): ObjectScan | ScanFailure {
  let at = skipSpace(bytes, from);
  if (bytes[at] !== OPEN_BRACE) return 'malformed';
  const scan: ObjectScan = { members: [], duplicates: [], insertAt: at + 1, end: -1 };
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_BRACE) {
    scan.end = at + 1;
    return scan;
  }
  while (true) {
    const keyStart = at;
    if (bytes[at] !== QUOTE) return 'malformed';
    const keyEnd = skipString(bytes, at);
    if (keyEnd < 0) return 'malformed';
    const key = decodeKey(bytes, keyStart, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (key === null || bytes[at] !== COLON) return 'malformed';
    const start = skipSpace(bytes, at + 1);
    const end = skipValue(bytes, start, depthMax - 1);
    if (end < 0) return end === TOO_DEEP ? 'too_deep' : 'malformed';
    scan.members.push({ key, keyStart, start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACE) break;
    if (bytes[at] !== COMMA) return 'malformed';
    at = skipSpace(bytes, at + 1);
  }
  scan.end = at + 1;
  scan.duplicates = duplicatesOf(scan.members);
  return scan;
}

/** A name that is twice in the object that begins at `from`, or in one inside of it that `isRead` by its name; null: none is. */
export function repeatedName(bytes: Buffer, isRead: (name: string) => boolean, from = 0): string | null {
  const scan = scanObject(bytes, from);
  if (typeof scan === 'string') return null;
  const [twice] = scan.duplicates;
  if (twice !== undefined) return twice;
  for (const { key, start } of scan.members) {
    const inside = isRead(key) ? repeatedName(bytes, isRead, start) : null;
    if (inside !== null) return inside;
  }
  return null;
}

/** Whether any value in these bytes, JSON or not, is nested deeper than that: asked before whatever recurses or grows. */
export function isDeeperThan(bytes: Buffer, depthMax: number): boolean {
  if (bytes.length <= depthMax) return false;
  let depth = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      if (at < 0) return false;
      continue;
    }
    at++;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > depthMax) return true;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
  return false;
}

/** The elements of the array that begins at `from`; null when there is none. */
export function scanArray(bytes: Buffer, from: number): Range[] | null {
  let at = skipSpace(bytes, from);
  if (bytes[at] !== OPEN_BRACKET) return null;
  const elements: Range[] = [];
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_BRACKET) return elements;
  while (true) {
    const end = skipValue(bytes, at, Number.POSITIVE_INFINITY);
    if (end < 0) return null;
    elements.push({ start: at, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACKET) return elements;
    if (bytes[at] !== COMMA) return null;
    at = skipSpace(bytes, at + 1);
  }
}

/** The last member of that name, which is the one `JSON.parse` keeps; null when absent. */
export function findMember(scan: ObjectScan, key: string): Member | null {
  for (let index = scan.members.length - 1; index >= 0; index--) {
    if (scan.members[index]!.key === key) return scan.members[index]!;
  }
  return null;
}

/** The bytes with every edit's range replaced. Edits must not overlap; those at one place keep their order. */
export function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes;
  const ordered = edits.length === 1 ? edits : [...edits].sort((a, b) => a.start - b.start);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const edit of ordered) {
    if (edit.start < at || edit.end < edit.start) throw new Error('edits of one splice must not overlap');
    parts.push(bytes.subarray(at, edit.start), edit.bytes);
    at = edit.end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (true) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** From an opening quote to behind the closing one. */
function skipString(bytes: Buffer, from: number): number {
  const near = Math.min(bytes.length, from + SHORT_STRING);
  let at = from + 1;
  while (at < near) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    at += byte === BACKSLASH ? 2 : 1;
  }
  // `at` may stand one behind `near`, never inside an escape.
  return skipLongString(bytes, at);
}

function skipLongString(bytes: Buffer, from: number): number {
  let at = from;
  while (true) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return MALFORMED;
    let escapes = quote;
    while (escapes > from && bytes[escapes - 1] === BACKSLASH) escapes--;
    if (((quote - escapes) & 1) === 0) return quote + 1;
    at = quote + 1;
  }
}

function skipValue(bytes: Buffer, from: number, depthMax: number): number {
  const first = bytes[from];
  if (first === QUOTE) return skipString(bytes, from);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, from, depthMax);
  let at = from;
  while (at < bytes.length && !endsScalar(bytes[at]!)) at++;
  return at === from ? MALFORMED : at;
}

function skipNested(bytes: Buffer, from: number, depthMax: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      if (at < 0) return MALFORMED;
      continue;
    }
    at++;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > depthMax) return TOO_DEEP;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (--depth === 0) return at;
    }
  }
  return MALFORMED;
}

function endsScalar(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte <= 0x20;
}

function decodeKey(bytes: Buffer, start: number, end: number): string | null {
  for (let at = start + 1; at < end - 1; at++) {
    if (bytes[at] === BACKSLASH) return parseKey(bytes.toString('utf8', start, end));
  }
  return bytes.toString('utf8', start + 1, end - 1);
}

function parseKey(text: string): string | null {
  try {
    return JSON.parse(text) as string;
  } catch {
    return null;
  }
}

function duplicatesOf(members: readonly Member[]): string[] {
  const found = new Set<string>();
  if (members.length <= FEW_MEMBERS) {
    for (let index = 1; index < members.length; index++) {
      const key = members[index]!.key;
      for (let before = 0; before < index; before++) if (members[before]!.key === key) found.add(key);
    }
    return [...found];
  }
  const seen = new Set<string>();
  for (const { key } of members) {
    if (seen.has(key)) found.add(key);
    seen.add(key);
  }
  return [...found];
}
