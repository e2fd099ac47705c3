/**
 * The hot path of the dialects whose events have names: nine in ten of a stream are deltas, which say nothing but text.
 * One that begins exactly as its vendor writes it has its text tallied without being parsed; every other frame is read in
 * full, so nothing but an estimate ever stands on this.
 */
import type { TextTally } from '../lib/text-tally.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;

export interface DeltaKind {
  /** `event: NAME`, a line end, `data: {"type":"NAME"`. */
  prefix: Buffer;
  /** The members that are text. */
  keys: readonly Buffer[];
}

export function deltaKind(type: string, keys: readonly string[]): DeltaKind {
  return {
    prefix: Buffer.from(`event: ${type}\ndata: {"type":"${type}"`),
    keys: keys.map((key) => Buffer.from(key)),
  };
}

/** Whether the frame is one of these deltas; then its text is in the tally. */
export function tallyDelta(frame: Buffer, kinds: readonly DeltaKind[], tally: TextTally): boolean {
  for (const { prefix, keys } of kinds) {
    if (!startsWith(frame, prefix)) continue;
    tallyMembers(frame, prefix.length, keys, tally);
    return true;
  }
  return false;
}

function tallyMembers(frame: Buffer, from: number, keys: readonly Buffer[], tally: TextTally): void {
  let at = from;
  while (at < frame.length) {
    if (frame[at] !== QUOTE) {
      at++;
      continue;
    }
    const start = at + 1;
    const end = stringEnd(frame, start);
    at = end + 1;
    if (frame[at] === SPACE) at++;
    if (frame[at] !== COLON) continue;
    at++;
    if (frame[at] === SPACE) at++;
    if (frame[at] !== QUOTE) continue;
    const close = stringEnd(frame, at + 1);
    if (isOneOf(frame, start, end, keys)) tally.addJson(frame, at + 1, Math.min(close, frame.length));
    at = close + 1;
  }
}

function stringEnd(frame: Buffer, from: number): number {
  let at = from;
  while (at < frame.length && frame[at] !== QUOTE) at += frame[at] === BACKSLASH ? 2 : 1;
  return at;
}

function isOneOf(frame: Buffer, start: number, end: number, keys: readonly Buffer[]): boolean {
  for (const key of keys) {
    if (key.length !== end - start) continue;
    let at = 0;
    while (at < key.length && frame[start + at] === key[at]) at++;
    if (at === key.length) return true;
  }
  return false;
}

/** The prefixes differ near their end: that is where to look first. */
function startsWith(frame: Buffer, prefix: Buffer): boolean {
  if (frame.length < prefix.length) return false;
  for (let at = prefix.length - 1; at >= 0; at--) if (frame[at] !== prefix[at]) return false;
  return true;
}
