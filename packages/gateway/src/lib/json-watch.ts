/**
 * Looks at a JSON text as it passes, in pieces and in constant memory: a few scalars of its outermost object, and how
 * much text its strings hold. It validates nothing and never throws; of what is no object it says nothing. For a
 * body that is in memory as a whole, json-splice.ts knows more.
 */
import { TextTally } from './text-tally.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;
/** A longer value of a wanted member is not kept. */
const VALUE_BYTES_MAX = 512;
/** Deeper levels are not told apart. */
const DEPTH_MAX = 512;
/** So much text is looked at; it stands for the rest of a longer one. */
const LOOKED_AT_MAX = 4 * 1024 * 1024;
/** A string that begins with so many bytes of nothing but base64 is a picture, a sound, a signature: not text. */
const BLOB_BYTES_MIN = 256;
/** What base64, base64url and the head of a `data:` URL are made of. */
const BLOB_BYTES = blobBytes();

export class JsonWatch {
  readonly #wanted: ReadonlySet<string>;
  readonly #found = new Map<string, unknown>();
  /** For each open level, whether it is an object. */
  readonly #isObject = new Uint8Array(DEPTH_MAX + 1);
  #depth = 0;
  #expectsKey = false;
  #isInString = false;
  #isKey = false;
  #hasBegun = false;
  /** It began with something else than an object: a file, a form. */
  #isForeign = false;
  #isEscaped = false;
  #stringBytes = 0;
  #mayBeBlob = false;
  /** The last key of the outermost object, as it was written. */
  #key = '';
  /** What is being kept: a key or a wanted value of the outermost object; null: nothing. */
  #kept: Buffer[] | null = null;
  #keptBytes = 0;
  /** The string that is passing; it may turn out to be a blob. */
  readonly #string = new TextTally();
  /** Keys and strings that are text, below the outermost object. */
  readonly text = new TextTally();
  /** Text beyond what is looked at character by character. */
  unseenBytes = 0;
  #unseenBytes = 0;
  /** Strings that are not text. */
  blobs = 0;

  constructor(wanted: readonly string[]) {
    this.#wanted = new Set(wanted);
  }

  /** The value of a wanted member, where it was a string, a number, true, false or null; the last one where it is repeated. */
  scalar(key: string): unknown {
    return this.#found.get(key);
  }

  /** Nothing more will be found: the object has ended, or there is none. */
  get isOver(): boolean {
    return this.#isForeign || (this.#hasBegun && this.#depth === 0);
  }

  #isObjectSoFar(chunk: Buffer): boolean {
    if (this.#hasBegun || this.#isForeign) return !this.#isForeign;
    const first = chunk.find((byte) => byte > SPACE);
    this.#isForeign = first !== undefined && first !== OPEN_BRACE;
    return !this.#isForeign;
  }

  push(chunk: Buffer): void {
    if (!this.#isObjectSoFar(chunk)) return;
    let at = 0;
    // A scalar or a key that spans chunks goes on at the beginning of this one.
    let keptFrom = 0;
    while (at < chunk.length) {
      if (this.#isInString) {
        at = this.#passString(chunk, at);
        if (this.#isInString) break;
        if (this.#depth === 1) this.#endString(chunk, keptFrom, at);
        continue;
      }
      const byte = chunk[at]!;
      if (byte > SPACE && isStructure(byte)) {
        if (this.#kept !== null && byte !== QUOTE) this.#endScalar(chunk, keptFrom, at);
        this.#structure(byte);
        if (byte === QUOTE || byte === COLON) keptFrom = byte === QUOTE ? at : at + 1;
      }
      at++;
    }
    if (this.#kept !== null) this.#keep(chunk, keptFrom, chunk.length);
  }

  #structure(byte: number): void {
    switch (byte) {
      case QUOTE:
        this.#isInString = true;
        this.#isKey = this.#expectsKey;
        this.#stringBytes = 0;
        this.#string.clear();
        this.#unseenBytes = 0;
        this.#isEscaped = false;
        this.#mayBeBlob = !this.#isKey;
        if (this.#depth === 1 && this.#isKey) this.#startKeeping();
        return;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#hasBegun = true;
        this.#kept = null;
        this.#depth++;
        if (this.#depth <= DEPTH_MAX) this.#isObject[this.#depth] = byte === OPEN_BRACE ? 1 : 0;
        this.#expectsKey = byte === OPEN_BRACE;
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.#depth > 0) this.#depth--;
        this.#expectsKey = false;
        return;
      case COMMA:
        this.#expectsKey = this.#depth > 0 && this.#depth <= DEPTH_MAX && this.#isObject[this.#depth] === 1;
        return;
      default:
        this.#expectsKey = false;
        if (this.#depth !== 1 || !this.#wanted.has(this.#key)) return;
        // Where a member is repeated, the last one counts, whatever it is.
        this.#found.delete(this.#key);
        this.#startKeeping();
    }
  }

  /** To behind the string's closing quote, or to the end of the chunk. */
  #passString(chunk: Buffer, from: number): number {
    let search = from;
    while (true) {
      const quote = chunk.indexOf(QUOTE, search);
      const end = quote < 0 ? chunk.length : quote;
      const isEscaped = this.#isEscapedAt(chunk, from, end);
      if (quote < 0) {
        this.#isEscaped = isEscaped;
        this.#pass(chunk, from, end);
        return end;
      }
      if (!isEscaped) {
        this.#isEscaped = false;
        this.#pass(chunk, from, end);
        this.#isInString = false;
        this.#measure();
        return end + 1;
      }
      search = quote + 1;
    }
  }

  /** Whether an odd number of backslashes stands before, those at the end of the last chunk included. */
  #isEscapedAt(chunk: Buffer, from: number, end: number): boolean {
    let at = end;
    while (at > from && chunk[at - 1] === BACKSLASH) at--;
    const isOdd = ((end - at) & 1) === 1;
    return at === from && this.#isEscaped ? !isOdd : isOdd;
  }

  #pass(chunk: Buffer, from: number, to: number): void {
    for (let at = from; this.#mayBeBlob && at < to && this.#stringBytes + at - from < BLOB_BYTES_MIN; at++) {
      if (BLOB_BYTES[chunk[at]!] === 0) this.#mayBeBlob = false;
    }
    this.#stringBytes += to - from;
    if (this.#mayBeBlob && this.#stringBytes >= BLOB_BYTES_MIN) return;
    const looked = Math.min(to, from + Math.max(0, LOOKED_AT_MAX - this.text.bytes - this.#string.bytes));
    this.#string.addJson(chunk, from, looked);
    this.#unseenBytes += to - looked;
  }

  #measure(): void {
    if (this.#depth < 2 && !TEXT_MEMBERS.has(this.#key)) return;
    if (this.#depth < 2 && this.#isKey) return;
    if (this.#mayBeBlob && this.#stringBytes >= BLOB_BYTES_MIN) this.blobs++;
    else {
      this.text.absorb(this.#string);
      this.unseenBytes += this.#unseenBytes;
    }
  }

  #startKeeping(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    this.#keptBytes += to - from;
    if (this.#keptBytes > VALUE_BYTES_MAX) this.#kept = null;
    // A copy: the chunk is not ours to hold.
    else this.#kept?.push(Buffer.from(chunk.subarray(from, to)));
  }

  /** A string of the outermost object has ended: its key, or a value. */
  #endString(chunk: Buffer, from: number, to: number): void {
    if (this.#kept === null) {
      if (this.#isKey) this.#key = '';
      return;
    }
    const value = this.#take(chunk, from, to);
    if (this.#isKey) this.#key = typeof value === 'string' ? value : '';
    else this.#found.set(this.#key, value);
  }

  #endScalar(chunk: Buffer, from: number, to: number): void {
    const value = this.#take(chunk, from, to);
    if (value !== undefined) this.#found.set(this.#key, value);
  }

  #take(chunk: Buffer, from: number, to: number): unknown {
    this.#keep(chunk, from, to);
    const text = this.#kept === null ? '' : Buffer.concat(this.#kept).toString('utf8');
    this.#kept = null;
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }
}

/** Members of the outermost object whose value is prompt text where it is a string. */
const TEXT_MEMBERS: ReadonlySet<string> = new Set(['system', 'instructions', 'input', 'prompt']);

function isStructure(byte: number): boolean {
  return (
    byte === QUOTE ||
    byte === COMMA ||
    byte === COLON ||
    byte === OPEN_BRACE ||
    byte === CLOSE_BRACE ||
    byte === OPEN_BRACKET ||
    byte === CLOSE_BRACKET
  );
}

function blobBytes(): Uint8Array {
  const bytes = new Uint8Array(256);
  for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-:;,.\\')) {
    bytes[byte] = 1;
  }
  return bytes;
}
