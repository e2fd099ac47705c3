/** What `doctor` says of the options: every limit with its value, who gave it and why it is there, and what is off. */
import type { LoadedConfig } from '../config/load.ts';
import type { Check } from './check.ts';
import { countText } from './format.ts';
import { plainText } from './table.ts';

type Setting = LoadedConfig['settings'][number];

/** Shown even where nobody changed them. */
const LIMITS = /^(limits|ledger|metering|upstream)\./;

/** One line for each limit and for whatever somebody gave: the option, its value, who gave it, its reason. */
export function settingsText(settings: readonly Setting[]): string {
  const shown = settings.filter(({ path, source }) => LIMITS.test(path) || source !== 'default');
  const rows = shown.map((setting) => [setting.path, valueText(setting), giverText(setting), setting.reason]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `${row.map((cell, column) => plainText(cell).padEnd(widths[column] ?? 0)).join('  ')}\n`)
    .join('');
}

function valueText({ value, unit }: Setting): string {
  if (value === null) return '–';
  const text = typeof value === 'number' ? countText(value) : String(value);
  return unit === null ? text : `${text} ${unit}`;
}

function giverText({ source, from }: Setting): string {
  return from ?? source;
}

/** Doors that are closed, limits that nobody holds, drains that are not done; each with who wanted it so. */
export function offChecks({ config, settings }: LoadedConfig): Check[] {
  const doors = Object.entries(config.endpoints).filter(([, isOn]) => !isOn);
  const paths = doors.map(([name]) => `gateway.http.endpoints.${name}.enabled`);
  if (config.metering.onCallerGone === 'abort') paths.push('metering.onCallerGone');
  const off = settings.filter(
    ({ path, value, reason }) => paths.includes(path) || (value === 0 && /\b0 is off\b/.test(reason)),
  );
  return off.map((setting) => {
    const giver = setting.source === 'default' ? 'the default' : giverText(setting);
    return { subject: 'off', verdict: 'note', text: `${setting.path}: ${valueText(setting)} (${giver})` };
  });
}

/** The configuration's warnings without those of closed doors, which have their own lines. */
export function warningChecks({ config }: LoadedConfig): Check[] {
  const closed = Object.keys(config.endpoints).map((name) => `the ${name} endpoint is off`);
  return config.warnings
    .filter((text) => !closed.some((start) => text.startsWith(start)))
    .map((text) => ({ subject: 'config', verdict: 'warning', text }));
}
