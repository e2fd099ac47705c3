/**
 * What is looked at, kept in the address: range, grouping, filters, zone, chart, tab, the dispatch that is open. Going back
 * goes back, a copied link shows the same. Names and filters are in it; never anything secret.
 */
import { batch, signal } from '@preact/signals';
import type { UsageGroup } from '@weighbridge/client';
import { facts } from './facts.ts';
import { type Filter, filtersText, readFilters } from './filter-text.ts';
import { type NamedRange, RANGES, type Range } from './period.ts';
import { isZone, ownZone } from './zone.ts';

const TABS = ['models', 'customers', 'sessions', 'webhooks', 'keys', 'health'] as const;
export type Tab = (typeof TABS)[number];

/** Tabs that there is something behind, for whoever has the page open. */
export const SHOWN: readonly Tab[] = TABS.filter((tab) => facts.isAdmin || (tab !== 'webhooks' && tab !== 'keys'));

export function tabLabel(tab: Tab): string {
  return tab[0]!.toUpperCase() + tab.slice(1);
}

export const METRICS = ['cost', 'tokens', 'requests', 'latency', 'first-token', 'errors'] as const;
export type Metric = (typeof METRICS)[number];

export const GROUPS = [
  'model',
  'provider',
  'agent',
  'session',
  'tenant',
  'endUser',
  'source',
] as const satisfies readonly UsageGroup[];
export type Group = (typeof GROUPS)[number];

export interface Looked {
  tab: Tab;
  range: Range;
  group: Group;
  metric: Metric;
  filters: readonly Filter[];
  zone: string;
  compares: boolean;
  /** `dsp_…` of the dispatch whose drawer is open. */
  dispatchId: string | null;
  sort: { column: string; isDescending: boolean };
}

const SORT = { column: 'cost', isDescending: true };

/** What of the address could not be read, in words; the rest of it holds. */
export const addressProblem = signal('');
export const looked = signal<Looked>(read(location.search));

/** Changes what is looked at; a step that can be gone back, unless it only refines the last one. */
export function look(change: Partial<Looked>, how: 'step' | 'refine' = 'step'): void {
  const next = { ...looked.value, ...change };
  const address = `${location.pathname}${written(next)}`;
  if (how === 'refine') history.replaceState(null, '', address);
  else if (address !== location.pathname + location.search) history.pushState(null, '', address);
  batch(() => {
    addressProblem.value = '';
    looked.value = next;
  });
}

addEventListener('popstate', () => {
  looked.value = read(location.search);
});

function read(search: string): Looked {
  const given = new URLSearchParams(search);
  const zone = given.get('tz');
  const sort = given.get('sort');
  const { filters, problem } = readFilters(given.get('filter') ?? '');
  addressProblem.value = problem;
  return {
    tab: oneOf(SHOWN, given.get('tab')) ?? 'models',
    range: rangeOf(given),
    group: oneOf(GROUPS, given.get('by')) ?? 'model',
    metric: oneOf(METRICS, given.get('chart')) ?? 'cost',
    filters,
    zone: zone !== null && isZone(zone) ? zone : ownZone(),
    compares: given.get('compare') !== 'no',
    dispatchId: given.get('dispatch'),
    sort: sort === null ? SORT : { column: sort.replace(/^-/, ''), isDescending: sort.startsWith('-') },
  };
}

function written(state: Looked): string {
  const given = new URLSearchParams();
  if (state.tab !== 'models') given.set('tab', state.tab);
  if (state.range.name !== '24h') given.set('range', state.range.name);
  if (state.range.name === 'custom') {
    given.set('from', new Date(state.range.fromMs).toISOString());
    given.set('to', new Date(state.range.toMs).toISOString());
  }
  if (state.group !== 'model') given.set('by', state.group);
  if (state.metric !== 'cost') given.set('chart', state.metric);
  if (state.filters.length > 0) given.set('filter', filtersText(state.filters));
  if (state.zone !== ownZone()) given.set('tz', state.zone);
  if (!state.compares) given.set('compare', 'no');
  if (state.dispatchId !== null) given.set('dispatch', state.dispatchId);
  const { column, isDescending } = state.sort;
  if (column !== SORT.column || isDescending !== SORT.isDescending)
    given.set('sort', `${isDescending ? '-' : ''}${column}`);
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}

function rangeOf(given: URLSearchParams): Range {
  const name = given.get('range');
  if (name !== 'custom') return { name: oneOf(RANGES, name) ?? ('24h' satisfies NamedRange) };
  const [fromMs, toMs] = [Date.parse(given.get('from') ?? ''), Date.parse(given.get('to') ?? '')];
  return fromMs < toMs ? { name, fromMs, toMs } : { name: '24h' };
}

function oneOf<Name extends string>(names: readonly Name[], given: string | null): Name | undefined {
  return names.find((name) => name === given);
}
