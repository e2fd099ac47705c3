/**
 * How much text has passed, by the kind of its characters: what an estimate of tokens can stand on without keeping the
 * text. Bytes of UTF-8 alone would not do: a token is some five Latin letters, three Cyrillic ones, or one ideograph.
 */

/** In the order of the counts. A character is told by its first byte. */
export const TEXT_KINDS = [
  'letter',
  'digit',
  'blank',
  'sign',
  /** Latin letters with marks: U+0080 to U+027F. */
  'marked',
  /** Greek, Cyrillic: U+0280 to U+053F. */
  'script',
  /** Hebrew, Arabic: U+0540 to U+07FF. */
  'abjad',
  /** Indic scripts, Thai, Georgian: U+0800 to U+1FFF. */
  'indic',
  /** Punctuation, symbols, full-width forms. */
  'symbol',
  /** Kana and ideographs: U+3000 to U+9FFF. */
  'ideograph',
  /** Hangul and its neighbours: U+A000 to U+EFFF. */
  'hangul',
  /** Beyond the basic plane: emoji. */
  'astral',
] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

const [LETTER, DIGIT, BLANK, SIGN, MARKED, SCRIPT, ABJAD, INDIC, SYMBOL, IDEOGRAPH, HANGUL, ASTRAL, INNER] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
] as const;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const KIND_OF_BYTE = kindsOfBytes();
/** What stands behind a backslash in JSON and is no sign: line ends and tabs. */
const BLANK_ESCAPES: ReadonlySet<number> = new Set(Buffer.from('ntrfb'));

export class TextTally {
  /** An array, not a typed one: most tallies are made for one answer and never filled. */
  readonly #counts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  /** As UTF-8. */
  bytes = 0;

  /** UTF-8, pieces of characters included. */
  addBytes(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const counts = this.#counts;
    for (let at = start; at < end; at++) counts[KIND_OF_BYTE[bytes[at]!]!]!++;
    this.bytes += end - start;
  }

  /** The inside of a JSON string, its escapes resolved. */
  addJson(bytes: Buffer, start: number, end: number): void {
    const counts = this.#counts;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte !== BACKSLASH) {
        counts[KIND_OF_BYTE[byte]!]!++;
        this.bytes++;
        continue;
      }
      at++;
      if (at >= end) return;
      if (bytes[at] === LOWER_U) {
        this.#addUnit(Number.parseInt(bytes.toString('latin1', at + 1, Math.min(end, at + 5)), 16));
        at += 4;
      } else {
        counts[BLANK_ESCAPES.has(bytes[at]!) ? BLANK : SIGN]!++;
        this.bytes++;
      }
    }
  }

  addText(text: unknown): void {
    if (typeof text !== 'string') return;
    for (let at = 0; at < text.length; at++) this.#addUnit(text.charCodeAt(at));
  }

  /** Takes over another's counts and leaves it empty. */
  absorb(other: TextTally): void {
    if (other.bytes === 0) return;
    for (let kind = 0; kind < this.#counts.length; kind++) this.#counts[kind]! += other.#counts[kind]!;
    this.bytes += other.bytes;
    other.clear();
  }

  clear(): void {
    this.#counts.fill(0);
    this.bytes = 0;
  }

  /** The sum of the counts, each by its kind's weight. */
  weighed(weights: Readonly<Record<TextKind, number>>): number {
    if (this.bytes === 0) return 0;
    let sum = 0;
    for (let kind = 0; kind < TEXT_KINDS.length; kind++) sum += this.#counts[kind]! * weights[TEXT_KINDS[kind]!];
    return sum;
  }

  /** A unit of UTF-16; each half of a pair is two of its four bytes. */
  #addUnit(unit: number): void {
    const counts = this.#counts;
    if (unit < 0x80) {
      counts[KIND_OF_BYTE[unit]!]!++;
      this.bytes += 1;
    } else if (unit < 0x800) {
      counts[unit < 0x280 ? MARKED : unit < 0x540 ? SCRIPT : ABJAD]!++;
      this.bytes += 2;
    } else if (unit >= 0xd800 && unit < 0xe000) {
      counts[unit < 0xdc00 ? ASTRAL : INNER]!++;
      this.bytes += 2;
    } else if (unit <= 0xffff) {
      counts[KIND_OF_BYTE[0xe0 | (unit >> 12)]!]!++;
      this.bytes += 3;
    }
  }
}

function kindsOfBytes(): Uint8Array {
  const kinds = new Uint8Array(256).fill(SIGN, 0, 0x80).fill(INNER, 0x80, 0xc0);
  kinds.fill(DIGIT, 0x30, 0x3a).fill(LETTER, 0x41, 0x5b).fill(LETTER, 0x61, 0x7b);
  for (const blank of [0x09, 0x0a, 0x0d, 0x20]) kinds[blank] = BLANK;
  kinds
    .fill(MARKED, 0xc0, 0xca)
    .fill(SCRIPT, 0xca, 0xd5)
    .fill(ABJAD, 0xd5, 0xe0)
    .fill(INDIC, 0xe0, 0xe2)
    .fill(SYMBOL, 0xe2, 0xe3);
  kinds.fill(IDEOGRAPH, 0xe3, 0xea).fill(HANGUL, 0xea, 0xef).fill(SYMBOL, 0xef, 0xf0).fill(ASTRAL, 0xf0);
  return kinds;
}
