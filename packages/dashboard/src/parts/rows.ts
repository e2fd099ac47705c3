/** The rows of the models table: cells of an answer put together by group, and what each column shows and sorts by. Pure. */
import { decimal, milliseconds, money, NOTHING, percent, whole } from '../format.ts';
import { addSums, failedShare, noSums, promptOf, type Sums, share, tokensOf, tokensPerSecond } from '../sums.ts';
import type { LiveView } from '../view.ts';

export interface Row {
  /** null: what has none. */
  name: string | null;
  sums: Sums;
}

export interface Column {
  id: string;
  label: string;
  /** Said in full where the label is short. */
  meaning: string;
  /** The exact number, as it stands in the page; null: nothing is known. */
  exact(row: Row, all: Sums): number | bigint | null;
  shown(row: Row, all: Sums): string;
  /** How much room there must be for it: `minor` is left out on small screens, `rare` on all but wide ones. */
  room?: 'minor' | 'rare' | undefined;
}

const count = (value: number | bigint): string => whole(value);

export const COLUMNS: readonly Column[] = [
  column('requests', 'Requests', 'Dispatches', ({ sums }) => sums.requests, count),
  column('prompt', 'Prompt', 'Prompt tokens, cached or not', ({ sums }) => promptOf(sums), count, 'minor'),
  column('completion', 'Completion', 'Completion tokens, reasoning inside', ({ sums }) => sums.output, count, 'minor'),
  column('tokens', 'Total tokens', 'Prompt and completion tokens', ({ sums }) => tokensOf(sums), count),
  {
    id: 'cost',
    label: 'Cost',
    meaning: 'Cost in US dollars, of what has a price',
    exact: ({ sums }) => sums.costNanoUsd,
    shown: ({ sums }) => costText(sums),
  },
  column(
    'share',
    'Cost share',
    'Share of all cost',
    ({ sums }, all) => share(sums.costNanoUsd, all.costNanoUsd),
    percent,
  ),
  column(
    'avg',
    'Avg',
    'Average latency of completed dispatches',
    ({ sums }) => sums.latency?.avg ?? null,
    milliseconds,
    'minor',
  ),
  column(
    'p50',
    'p50',
    'Half of the completed dispatches took at most this long',
    ({ sums }) => sums.latency?.p50 ?? null,
    milliseconds,
  ),
  column(
    'p95',
    'p95',
    '95 % of the completed dispatches took at most this long',
    ({ sums }) => sums.latency?.p95 ?? null,
    milliseconds,
  ),
  column(
    'p99',
    'p99',
    '99 % of the completed dispatches took at most this long',
    ({ sums }) => sums.latency?.p99 ?? null,
    milliseconds,
    'rare',
  ),
  column(
    'first',
    'First p95',
    '95 % had their first token after at most this long',
    ({ sums }) => sums.firstToken?.p95 ?? null,
    milliseconds,
    'minor',
  ),
  column(
    'speed',
    'Tok/s',
    'Completion tokens per second of a completed dispatch',
    ({ sums }) => tokensPerSecond(sums),
    decimal,
    'rare',
  ),
  column('errors', 'Error %', 'Failed dispatches of all', ({ sums }) => failedShare(sums), percent),
  column(
    'cached',
    'Cache %',
    'Prompt tokens read from the provider’s cache',
    ({ sums }) => share(sums.cacheRead, promptOf(sums)),
    percent,
    'rare',
  ),
];

function column(
  id: string,
  label: string,
  meaning: string,
  exact: Column['exact'],
  text: (value: number) => string,
  room?: Column['room'],
): Column {
  return {
    id,
    label,
    meaning,
    room,
    exact,
    shown: (row, all) => {
      const value = exact(row, all);
      return value === null ? NOTHING : text(value as number);
    },
  };
}

/** Unpriced is not free: what has no price at all shows none, and of what has one in part the sum is the least. */
export function costText({ costNanoUsd, unpriced }: Sums): string {
  if (unpriced <= 0) return money(costNanoUsd);
  return costNanoUsd === 0n ? 'unpriced' : `≥ ${money(costNanoUsd)}`;
}

export function rowsOf(view: LiveView): Row[] {
  const rows = new Map<string | null, Row>();
  for (const { group, sums } of view.cells.values()) {
    const name = group[0] ?? null;
    let row = rows.get(name);
    if (row === undefined) {
      row = { name, sums: noSums() };
      rows.set(name, row);
    }
    addSums(row.sums, sums);
  }
  return [...rows.values()];
}

/** Everything in one: the sums of all groups, and the percentiles that were asked of all. */
export function allOf(view: LiveView): Sums {
  const total = noSums();
  for (const { sums } of rowsOf(view)) addSums(total, { ...sums, latency: null });
  const { latency, firstToken } = view.totals;
  return { ...total, latency, firstToken };
}

export function sorted(
  rows: readonly Row[],
  all: Sums,
  { column: id, isDescending }: { column: string; isDescending: boolean },
): Row[] {
  const direction = isDescending ? -1 : 1;
  const by = COLUMNS.find((known) => known.id === id);
  const keyed = rows.map((row) => ({ row, key: keyOf(row, all, id, by) }));
  keyed.sort((a, b) => compared(a.key, b.key, direction) || b.row.sums.requests - a.row.sums.requests);
  return keyed.map(({ row }) => row);
}

type Key = number | bigint | string | null;

function keyOf(row: Row, all: Sums, id: string, by: Column | undefined): Key {
  if (id === 'name') return row.name;
  if (id === 'seen') return row.sums.lastSettledAt;
  return by?.exact(row, all) ?? null;
}

/** What is not known comes last, whatever the direction. */
function compared(a: Key, b: Key, direction: number): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a === 'string' && typeof b === 'string') return direction * a.localeCompare(b);
  return a < b ? -direction : direction;
}
