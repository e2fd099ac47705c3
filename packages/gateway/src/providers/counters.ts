/**
 * Counts as providers send them, whatever the dialect: checked one by one, merged by field-wise maximum because they are
 * cumulative wherever they repeat, and kept as sent beside that. An object with one impossible number is rejected whole.
 * A field that was never sent stays unknown: missing is not zero, and a later absence erases nothing.
 */

import type { Usage } from '@weighbridge/protocol';
import { TOKENS_MAX } from '../domain/entry.ts';
import type { Json } from './parsed.ts';
import type { Anomaly, Reading } from './reading.ts';

/** By the dialect's own names; a field that was not mentioned is not in it. */
export type Counters = Map<string, number>;

/** Raw usage beyond this is not kept. */
const RAW_CHARS_MAX = 64 * 1024;
/** So many usages of one answer may each say something the others do not. */
const PARTS_MAX = 8;
const TOOL = 'tool:';
const TOOLS_MAX = 32;
const TOOL_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** A field that is there and is no count. */
export class Impossible extends Error {}

/** A count: null where it is not mentioned; throws `Impossible` for what cannot be one. */
export function countOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (!isCount(value)) throw new Impossible();
  // `+ 0` makes 0 of -0.
  return value + 0;
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;
}

/** The largest of several spellings of one field. */
export function countIn(object: Json | null, ...keys: readonly string[]): number | null {
  if (object === null) return null;
  let found: number | null = null;
  for (const key of keys) found = largest(found, countOf(object[key]));
  return found;
}

export function largest(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.max(a, b);
}

/** Sets the fields that were mentioned. */
export function countersOf(fields: Readonly<Record<string, number | null>>): Counters {
  const counters: Counters = new Map();
  for (const name in fields) {
    const value = fields[name];
    if (value !== null && value !== undefined) counters.set(name, value);
  }
  return counters;
}

/** Calls of the provider's own tools: `web_search_requests: 2` is `web_search` 2. Other members are passed over. */
export function addTools(counters: Counters, tools: Json | null, suffix: string): void {
  if (tools === null) return;
  for (const [key, value] of Object.entries(tools).slice(0, TOOLS_MAX)) {
    const name = key.slice(0, -suffix.length);
    if (key.endsWith(suffix) && TOOL_NAME.test(name) && isCount(value)) addTool(counters, name, value);
  }
}

export function addTool(counters: Counters, name: string, count: number): void {
  counters.set(TOOL + name, Math.max(counters.get(TOOL + name) ?? 0, count));
}

/** Whether its calls were counted, if only as none. */
export function countsTool(counters: Counters, name: string): boolean {
  return counters.has(TOOL + name);
}

/** The calls that were made; a tool without one is not named. */
export function toolsOf(counters: Counters): Record<string, number> {
  const tools: Record<string, number> = {};
  for (const [name, count] of counters) if (count > 0 && name.startsWith(TOOL)) tools[name.slice(TOOL.length)] = count;
  return tools;
}

/** Refuses a sum that no request can have. */
export function checked(counters: Counters): Counters {
  for (const count of counters.values()) countOf(count);
  return counters;
}

interface Part {
  counters: Counters;
  raw: () => string | null;
}

/** The count of one answer, from all the usages it brought. */
export class Count {
  readonly #isFinal: (counters: Counters) => boolean;
  #merged: Counters | null = null;
  #parts: Part[] = [];
  #rejected: (() => string | null) | null = null;
  anomaly: Anomaly | null = null;

  /** `isFinal`: whether a usage shows by itself that its counts are right, also where they are lower than before. */
  constructor(isFinal: (counters: Counters) => boolean = () => false) {
    this.#isFinal = isFinal;
  }

  /** Null until a usage was taken. */
  get counters(): Counters | null {
    return this.#merged;
  }

  /** Reads one usage; `read` may throw `Impossible`, and returns null for what counts no tokens. True when it counted. */
  take(read: () => Counters | null, raw: () => string | null): boolean {
    let counters: Counters | null;
    try {
      counters = read();
    } catch (error) {
      if (!(error instanceof Impossible)) throw error;
      this.anomaly = 'usage_malformed';
      this.#rejected = raw;
      return false;
    }
    if (counters === null) return false;
    this.#merge(counters);
    this.#keep({ counters, raw });
    return true;
  }

  /** Forgets what was counted: a usage comes that replaces, not continues, the earlier ones. */
  restart(): void {
    this.#merged = null;
    this.#parts = [];
  }

  /** What a reading says of the count; `counted` is what the dialect makes of the counters. */
  facts(counted: { usage: Usage; isConsistent: boolean } | null): Pick<Reading, 'usage' | 'rawUsage' | 'anomaly'> {
    return {
      usage: counted?.usage ?? null,
      rawUsage: this.#rawUsage(),
      anomaly: this.anomaly ?? (counted?.isConsistent === false ? 'usage_inconsistent' : null),
    };
  }

  #rawUsage(): string | null {
    const texts = this.#parts.map(({ raw }) => raw()).filter((text) => text !== null);
    const text = texts.length > 1 ? `[${texts.join(',')}]` : (texts[0] ?? this.#rejected?.() ?? null);
    return text !== null && text.length <= RAW_CHARS_MAX ? text : null;
  }

  #merge(next: Counters): void {
    if (this.#merged === null) {
      this.#merged = new Map(next);
      return;
    }
    const isFinal = this.#isFinal(next);
    for (const [name, value] of next) {
      const before = this.#merged.get(name);
      if (before === undefined || value >= before || isFinal) this.#merged.set(name, value);
      else this.anomaly ??= 'usage_decreased';
    }
  }

  /** What another part says as well, and no less, need not be kept. */
  #keep(part: Part): void {
    this.#parts = this.#parts.filter((earlier) => !covers(part.counters, earlier.counters));
    if (this.#parts.some((earlier) => covers(earlier.counters, part.counters))) return;
    if (this.#parts.length < PARTS_MAX) this.#parts.push(part);
  }
}

function covers(counters: Counters, others: Counters): boolean {
  for (const [name, value] of others) {
    const mine = counters.get(name);
    if (mine === undefined || mine < value) return false;
  }
  return true;
}
