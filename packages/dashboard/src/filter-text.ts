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
  /** What could not be read, for the person who wrote it; empty where all could. */
  problem: string;
}

const TERM = /(-?)([A-Za-z]+):(?:"((?:[^"\\]|\\.)*)"|(\S*))|(\S+)/g;

export function readFilters(text: string): ReadFilters {
  const filters: Filter[] = [];
  for (const [term, minus, given, quoted, plain, stray] of text.matchAll(TERM)) {
    const name = FILTER_NAMES.find((known) => known.toLowerCase() === given?.toLowerCase());
    if (stray !== undefined || name === undefined) {
      return {
        filters,
        problem: `“${term}” is no filter. Write for example model:gpt-5, with one of ${FILTER_NAMES.join(', ')}.`,
      };
    }
    const value = quoted === undefined ? plain! : quoted.replace(/\\(.)/g, '$1');
    if (value === '') return { filters, problem: `“${term}” names no value.` };
    filters.push({ name, value, isExcluded: minus === '-' });
  }
  return { filters, problem: '' };
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
