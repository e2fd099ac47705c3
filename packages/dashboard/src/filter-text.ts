/**
 * Filters as people write them: `model:gpt-5 -agent:main endUser:"a b"`. A filter is an exact match on one property of a
 * dispatch, or with `-` its opposite. Pure.
 */
import type { DispatchRecord, UsageGroup } from '@weighbridge/client';

export interface Filter {
  name: UsageGroup | 'run';
  value: string;
  isExcluded: boolean;
}

export const FILTER_NAMES = [
  'model',
  'provider',
  'agent',
  'session',
  'tenant',
  'endUser',
  'source',
  'outcome',
  'run',
] as const satisfies readonly Filter['name'][];

export interface ReadFilters {
  filters: Filter[];
  /** What could not be read first, for the person who wrote it; empty where all could. */
  problem: string;
}

const TERM = /(-?)([A-Za-z]+):(?:"((?:[^"\\]|\\.)*)"|(\S*))|(\S+)/g;

export function readFilters(text: string): ReadFilters {
  let filters: Filter[] = [];
  let problem = '';
  for (const [term, minus, given, quoted, plain, stray] of text.matchAll(TERM)) {
    const name = FILTER_NAMES.find((known) => known.toLowerCase() === given?.toLowerCase());
    const value = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1');
    if (stray !== undefined || name === undefined) {
      problem ||= `“${term}” is no filter. Write for example model:gpt-5, with one of ${FILTER_NAMES.join(', ')}.`;
    } else if (value === '') problem ||= `“${term}” names no value.`;
    else filters = withFilter(filters, { name, value, isExcluded: minus === '-' });
  }
  return { filters, problem };
}

/** Of one property a dispatch has one value: a second takes the place of the first, as in a question to the ledger. */
export function withFilter(filters: readonly Filter[], added: Filter): Filter[] {
  const isThere = filters.some((filter) => filterText(filter) === filterText(added));
  return isThere ? [...filters] : toggled(filters, added);
}

export function filtersText(filters: readonly Filter[]): string {
  return filters.map(filterText).join(' ');
}

export function filterText({ name, value, isExcluded }: Filter): string {
  const isPlain = /^[^\s"\\]+$/.test(value);
  return `${isExcluded ? '-' : ''}${name}:${isPlain ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`;
}

/** With this filter: another value of the same property takes its place, the same one taken twice goes away. */
export function toggled(filters: readonly Filter[], added: Filter): Filter[] {
  const same = filters.some((filter) => filterText(filter) === filterText(added));
  const rest = filters.filter(
    (filter) => filter.name !== added.name || (added.isExcluded && filter.isExcluded && filter.value !== added.value),
  );
  return same ? filters.filter((filter) => filterText(filter) !== filterText(added)) : [...rest, added];
}

export function propertyOf(record: DispatchRecord, name: Filter['name']): string | null {
  switch (name) {
    case 'agent':
      return record.agentId;
    case 'session':
      return record.sessionKey;
    case 'tenant':
      return record.tenantId;
    case 'endUser':
      return record.endUserId;
    case 'run':
      return record.runId;
    default:
      return record[name];
  }
}

export function matches(filters: readonly Filter[], record: DispatchRecord): boolean {
  return filters.every(({ name, value, isExcluded }) => (propertyOf(record, name) === value) !== isExcluded);
}
