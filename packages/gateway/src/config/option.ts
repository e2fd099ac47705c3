/** The kinds of options, and the short words in which their table (options.ts) is written. Decides nothing. */

export type Unit = 'ms' | 's' | 'bytes' | 'tokens' | 'USD per 1M tokens';

interface Common {
  /** One sentence: what it does, and why one would change it. */
  reason: string;
  unit: Unit | null;
  /** The environment variable and the flag that win over the file. */
  environment: string | null;
  flag: string | null;
  /** A reload cannot change it: it holds until the next start. */
  needsRestart: boolean;
}

export interface IntegerOption extends Common {
  kind: 'integer';
  default: number | null;
  min: number;
  max: number;
}
export interface BooleanOption extends Common {
  kind: 'boolean';
  default: boolean;
  /** The default while no config file is used, where it differs. */
  defaultWithoutFile: boolean;
}
export interface ChoiceOption<Choice extends string = string> extends Common {
  kind: 'choice';
  default: Choice | null;
  of: readonly Choice[];
}
/** Names of headers, or beginnings of names that end in `-*`. */
export interface NamesOption extends Common {
  kind: 'names';
  default: readonly string[] | null;
}
/**
 * `text`: any string. `secret`: a string that is never shown; `secrets`: one or several. `rate`: a price. `texts`: names to
 * strings. `blocks`: true, or a list of address blocks with ports. `object`: any.
 */
export interface OtherOption extends Common {
  kind: 'text' | 'secret' | 'secrets' | 'rate' | 'texts' | 'blocks' | 'model' | 'object';
  default: null;
}
export type Option = IntegerOption | BooleanOption | ChoiceOption | NamesOption | OtherOption;

type Extra = Partial<Pick<Common, 'unit' | 'environment' | 'flag' | 'needsRestart'>>;

const NONE = { unit: null, environment: null, flag: null, needsRestart: false };
export const RESTART = { needsRestart: true };

export function integer<Default extends number | null>(
  value: Default,
  range: [number, number],
  reason: string,
  extra?: Extra,
) {
  return { kind: 'integer' as const, default: value, min: range[0], max: range[1], reason, ...NONE, ...extra };
}

export function boolean(value: boolean, reason: string, defaultWithoutFile = value, extra?: Extra): BooleanOption {
  return { kind: 'boolean', default: value, defaultWithoutFile, reason, ...NONE, ...extra };
}

export function choice<const Choice extends string>(
  value: Choice | null,
  of: readonly Choice[],
  reason: string,
  extra?: Extra,
) {
  return { kind: 'choice' as const, default: value, of, reason, ...NONE, ...extra };
}

export function names<Default extends readonly string[] | null>(value: Default, reason: string) {
  return { kind: 'names' as const, default: value, reason, ...NONE };
}

export function other(kind: OtherOption['kind'], reason: string, extra?: Extra): OtherOption {
  return { kind, default: null, reason, ...NONE, ...extra };
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const GIB = 1_073_741_824;
export const ms = (value: number, max: number, reason: string, min = 0, extra?: Extra) =>
  integer(value, [min, max], reason, { unit: 'ms', ...extra });
export const count = (value: number, max: number, reason: string, min = 1) => integer(value, [min, max], reason);
export const bytes = (value: number, max: number, reason: string, min = 1, extra?: Extra) =>
  integer(value, [min, max], reason, { unit: 'bytes', ...extra });
export const rate = (reason: string) => other('rate', reason, { unit: 'USD per 1M tokens' });
