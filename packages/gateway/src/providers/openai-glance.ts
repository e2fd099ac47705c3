/**
 * One pass over the bytes of a chat chunk, for the hot path: how much text it brings, and whether it says anything that
 * must be parsed (usage, a stop reason, an error). Nine in ten chunks of a stream need nothing more. It walks strings
 * as strings, so text that looks like a key is never taken for one.
 */
import type { TextTally } from '../lib/text-tally.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LOWER_N = 0x6e;

const key = (name: string): Buffer => Buffer.from(name, 'latin1');
/** By length, so that a key costs one lookup: where text stands, and what matters. */
const TEXT_KEYS: readonly (readonly Buffer[])[] = byLength(
  ['content', 'refusal', 'reasoning', 'arguments', 'reasoning_content'].map(key),
);
/** Of the older completions, of parts of a content and of reasoning; where a chunk says its text twice, this is the copy. */
const TEXT = key('text');
/** Lists of what the provider found elsewhere: citations, and what its own tools did (Groq). */
const FOUND_ELSEWHERE: readonly (readonly Buffer[])[] = byLength(['annotations', 'executed_tools'].map(key));
const USAGE = key('usage');
const X_GROQ = key('x_groq');
const BEDROCK = key('amazon-bedrock-invocationMetrics');
const ERROR = key('error');
const FINISH_REASON = key('finish_reason');

/** Adds the generated text to the tally. Returns whether the frame must be parsed. */
export function glance(frame: Buffer, text: TextTally): boolean {
  const length = frame.length;
  const before = text.bytes;
  let matters = false;
  /** Where copies begin: only what stands nowhere else in the chunk is counted of them. */
  let copies: number[] | null = null;
  let at = 0;
  while (at < length) {
    if (frame[at] !== QUOTE) {
      at++;
      continue;
    }
    const start = at + 1;
    let end = start;
    let escapes = 0;
    while (end < length && frame[end] !== QUOTE) {
      if (frame[end] === BACKSLASH) {
        escapes++;
        end++;
      }
      end++;
    }
    at = end + 1;
    let next = skipBlanks(frame, at);
    if (frame[next] !== COLON) {
      matters ||= isLineEnd(frame[next]);
      continue;
    }
    next = skipBlanks(frame, next + 1);
    // A key spelled with escapes may be any key.
    if (escapes > 0) matters = true;
    const size = end - start;
    const first = frame[next];
    if (first === QUOTE) {
      if (isOneOf(frame, start, TEXT_KEYS[size])) {
        at = addString(frame, next + 1, text);
        continue;
      }
      if (size === TEXT.length && isAt(frame, start, TEXT)) {
        copies ??= [];
        copies.push(next + 1);
        at = stringEnd(frame, next + 1) + 1;
        continue;
      }
    } else if (first === OPEN_BRACKET && isOneOf(frame, start, FOUND_ELSEWHERE[size])) {
      at = valueEnd(frame, next);
      continue;
    }
    at = next;
    matters ||= says(frame, start, size, first);
  }
  if (copies !== null && text.bytes === before) for (const start of copies) addString(frame, start, text);
  return matters;
}

/** Adds the string whose inside begins there; gives where it is over. */
function addString(frame: Buffer, start: number, text: TextTally): number {
  const close = stringEnd(frame, start);
  text.addJson(frame, start, Math.min(close, frame.length));
  return close + 1;
}

/** Whether the member is one that a parse must read. */
function says(frame: Buffer, start: number, size: number, first: number | undefined): boolean {
  if (first === OPEN_BRACE && size === 5 && isAt(frame, start, USAGE)) return true;
  if (first === OPEN_BRACE && size === 6 && isAt(frame, start, X_GROQ)) return true;
  if (first === OPEN_BRACE && size === BEDROCK.length && isAt(frame, start, BEDROCK)) return true;
  if (first === LOWER_N) return false;
  if (size === 13 && isAt(frame, start, FINISH_REASON)) return true;
  // An event of several data lines may break anywhere between two words of the JSON.
  return (size === 5 && isAt(frame, start, ERROR)) || isLineEnd(first);
}

function skipBlanks(frame: Buffer, from: number): number {
  let at = from;
  while (frame[at] === SPACE || frame[at] === TAB) at++;
  return at;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}

function stringEnd(frame: Buffer, from: number): number {
  let at = from;
  while (at < frame.length && frame[at] !== QUOTE) at += frame[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Behind the list or object that begins there; the end of a frame that breaks off within it. */
function valueEnd(frame: Buffer, from: number): number {
  let depth = 0;
  for (let at = from; at < frame.length; at++) {
    const byte = frame[at];
    if (byte === QUOTE) at = stringEnd(frame, at + 1);
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) depth++;
    else if ((byte === CLOSE_BRACKET || byte === CLOSE_BRACE) && --depth === 0) return at + 1;
  }
  return frame.length;
}

function isOneOf(frame: Buffer, start: number, names: readonly Buffer[] | undefined): boolean {
  if (names === undefined) return false;
  for (const name of names) if (isAt(frame, start, name)) return true;
  return false;
}

function isAt(frame: Buffer, start: number, name: Buffer): boolean {
  for (let index = 0; index < name.length; index++) if (frame[start + index] !== name[index]) return false;
  return true;
}

function byLength(names: readonly Buffer[]): (readonly Buffer[])[] {
  const table: Buffer[][] = [];
  for (const name of names) {
    table[name.length] ??= [];
    table[name.length]!.push(name);
  }
  return table;
}
