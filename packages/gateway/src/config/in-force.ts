/**
 * Every option with the value in force, its unit and where the value came from: what `doctor` lists and what a reload
 * compares. Pure. Options with `*` or `[]` in their path belong to one provider or agent and are not listed; a secret's
 * value is never here, only that there is one.
 */

import type { Environment } from './environment.ts';
import type { Flags } from './inputs.ts';
import { OPTIONS, type Option, type OptionPath, type Unit } from './options.ts';
import type { FileTree } from './tree.ts';
import { fileValue, setting } from './tree.ts';

export interface SettingInForce {
  path: OptionPath;
  /** A secret is `"set"` or null. */
  value: string | number | boolean | null;
  unit: Unit | null;
  source: 'default' | 'file' | 'environment' | 'flag';
  /** The variable or the flag that gave it; null for the other sources. */
  from: string | null;
  default: string | number | boolean | null;
  /** A change waits for the next start. */
  needsRestart: boolean;
  reason: string;
}

export interface GivenSettings {
  tree: FileTree | null;
  flags: Flags;
  environment: Environment;
}

type Given = Pick<SettingInForce, 'value' | 'source' | 'from'>;

/** In the order of the table. */
export function settingsInForce(given: GivenSettings): SettingInForce[] {
  return (Object.entries(OPTIONS) as [OptionPath, Option][])
    .filter(([path, { kind }]) => !/[*[]/.test(path) && kind !== 'model')
    .map(([path, option]) => ({
      path,
      ...givenBy(path, option, given),
      unit: option.unit,
      default: shown(option, option.default) as SettingInForce['default'],
      needsRestart: option.needsRestart,
      reason: option.reason,
    }));
}

/** A flag wins over a variable, that over the file, that over the default. */
function givenBy(path: OptionPath, option: Option, { tree, flags, environment }: GivenSettings): Given {
  const flag = flagOf(path, flags);
  if (flag !== undefined) return { value: shown(option, flag), source: 'flag', from: option.flag };
  const variable = variableOf(path, environment);
  if (variable !== null)
    return { value: shown(option, variable.value), source: 'environment', from: variable.variable };
  const source = fileValue(tree, path) === undefined ? 'default' : 'file';
  return { value: shown(option, setting(tree, path)), source, from: null };
}

function flagOf(path: OptionPath, flags: Flags): string | undefined {
  if (path === 'gateway.port') return flags.port;
  if (path === 'gateway.host') return flags.host;
  if (path === 'gateway.bind') return flags.bind;
  return path === 'gateway.auth.token' ? flags.token : undefined;
}

function variableOf(path: OptionPath, environment: Environment): { value: unknown; variable: string } | null {
  if (path === 'gateway.port') return environment.port;
  if (path === 'gateway.auth.token') return environment.token;
  return path === 'gateway.auth.password' ? environment.password : null;
}

function shown({ kind }: Option, value: unknown): SettingInForce['value'] {
  if (value === null || value === undefined) return null;
  if (kind === 'secret') return 'set';
  // One text, so that a reload sees whether it changed.
  if (kind === 'names') return (value as readonly string[]).join(' ');
  return kind === 'integer' ? Number(value) : (value as string | boolean);
}
