/**
 * The table of sums by group. Sorted by any column, clicked to filter, drawn only where it is seen: ten thousand sessions are
 * a table like any other. Rows have one height, so that the place of each is known without drawing it.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Group, look, looked } from '../address.ts';
import type { Rest } from '../answers.ts';
import { lineOf } from '../export-text.ts';
import { serverNow } from '../facts.ts';
import { toggled } from '../filter-text.ts';
import { ago } from '../format.ts';
import { answers, slowVersion, version } from '../screen.ts';
import type { Sums } from '../sums.ts';
import { GROUP_LABELS } from './controls.tsx';
import { Exact } from './exact.tsx';
import { ExportButtons } from './export-buttons.tsx';
import { allOf, COLUMNS, type Column, type Row, rowsOf, sorted } from './rows.ts';
import { Spark, trendsOf } from './spark.tsx';
import { madeOf } from './tiles.tsx';

const ROW_PX = 34;
/** Drawn beyond what is seen, above and below. */
const SPARE_ROWS = 6;
/** Fewer are drawn all, seen or not: so they can be printed, and found in the page. */
const ALL_DRAWN_MAX = 120;
/** What is longer may be cut in a long table, and is told in full by a title. */
const ROOMY_CHARS = 12;
/** More are put in order less often. */
const QUICK_MAX = 500;
const NO_TREND: readonly number[] = [];

export function Table({ table, chart }: { table: Rest['table']; chart: Rest['chart'] | undefined }) {
  // Whose rows these are: what is looked at may be another group already, whose answer is on its way.
  const {
    sources,
    looked: { group, range },
  } = answers.value!;
  const slow = slowVersion.value;
  const drawn = table.cells.size > QUICK_MAX ? slow : version.value;
  const { sort } = looked.value;
  const hasAll = useSignal(false);
  // Not made again for each step of a scroll: there may be ten thousand.
  const { total, rows } = useMemo(() => {
    const sums = allOf(sources);
    return { total: sums, rows: sorted(rowsOf(table), sums, sort) };
  }, [drawn, table, sources, sort]);
  const isLong = rows.length > ALL_DRAWN_MAX;
  const isWide = useIsWide(isLong ? WIDE_LONG : WIDE);
  // A column that is not shown is not made either: there are as many of its cells as rows.
  const hasRare = hasAll.value || isWide;
  // The same list until it changes: lines whose properties are the same are left alone while the page is scrolled.
  const columns = useMemo(() => COLUMNS.filter(({ room }) => hasRare || room !== 'rare'), [hasRare]);
  const { body, first, last, drawnMax } = useSeen(rows.length);
  // A row that leaves the screen at one end is used again at the other: making rows costs more than filling them.
  const keyOf = ({ name }: Row, at: number) => (drawnMax === null ? (name ?? '\0') : at % drawnMax);
  const shown = rows.slice(first, last);
  const trends = useMemo(
    () => (hasRare && chart?.group === group ? trendsOf(chart.view) : null),
    [slow, hasRare, chart, group],
  );
  return (
    <div class="card table-card">
      <header class="bar">
        <h2>{GROUP_LABELS[group]}s</h2>
        <button type="button" class="quiet" aria-pressed={hasAll.value} onClick={() => (hasAll.value = !hasAll.value)}>
          All columns
        </button>
        <ExportButtons
          name={`${group}-${range.name}`}
          view={table}
          lines={() => rows.map(({ name, sums }) => lineOf({ [group]: name }, sums))}
        />
      </header>
      <section class="scroll" tabIndex={0} aria-label={`Sums by ${GROUP_LABELS[group].toLowerCase()}`}>
        <table
          class={`sums${hasAll.value ? ' all' : ''}${drawnMax === null ? '' : ' long'}`}
          aria-rowcount={rows.length + 2}
        >
          <thead>
            <tr>
              <Heading id="name" label={GROUP_LABELS[group]} meaning={GROUP_LABELS[group]} />
              {columns.map((column) => (
                <Heading key={column.id} {...column} />
              ))}
              {hasRare ? (
                <>
                  <th scope="col" data-column="made">
                    Made of
                  </th>
                  <th scope="col" data-column="trend">
                    Trend
                  </th>
                </>
              ) : null}
              <Heading id="seen" label="Last seen" meaning="When a dispatch was last settled" />
            </tr>
          </thead>
          <tbody ref={body}>
            <Spacer rows={first} />
            {shown.map((row, at) => (
              <RowLine
                key={keyOf(row, first + at)}
                row={row}
                group={group}
                total={total}
                index={first + at + 2}
                columns={columns}
                trend={hasRare ? (trends?.get(row.name) ?? NO_TREND) : null}
              />
            ))}
            <Spacer rows={rows.length - last} />
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{rows.length === 1 ? '1 row' : `${rows.length} rows`}</th>
              {columns.map((column) => (
                <Cell key={column.id} column={column} row={{ name: null, sums: total }} total={total} />
              ))}
              {hasRare ? (
                <>
                  <td>
                    <MadeOf sums={total} />
                  </td>
                  <td />
                </>
              ) : null}
              <td />
            </tr>
          </tfoot>
        </table>
      </section>
      {table.rowsOmitted > 0 ? (
        <p class="note">
          {table.rowsOmitted} more are in the sums above, not in this table: filter, or choose a shorter range.
        </p>
      ) : null}
    </div>
  );
}

function Heading({ id, label, meaning, room }: { id: string; label: string; meaning: string; room?: Column['room'] }) {
  const { sort } = looked.value;
  const isSorted = sort.column === id;
  const next = { column: id, isDescending: isSorted ? !sort.isDescending : id !== 'name' };
  return (
    <th
      scope="col"
      class={className(room, id)}
      data-column={id}
      aria-sort={isSorted ? (sort.isDescending ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" title={meaning} onClick={() => look({ sort: next }, 'refine')}>
        {label}
        <span aria-hidden="true" class="arrow">
          {isSorted ? (sort.isDescending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

interface RowLineProps {
  row: Row;
  group: Group;
  total: Sums;
  index: number;
  columns: readonly Column[];
  /** Null: there is no room for it. */
  trend: readonly number[] | null;
}

function RowLine({ row, group, total, index, columns, trend }: RowLineProps) {
  const { zone } = looked.value;
  const name = row.name;
  return (
    <tr data-name={name ?? ''} aria-rowindex={index}>
      <th scope="row">
        {name === null ? (
          <span class="nothing">none</span>
        ) : (
          <button
            type="button"
            class="name"
            title={name}
            onClick={({ altKey }) =>
              look({ filters: toggled(looked.peek().filters, { name: group, value: name, isExcluded: altKey }) })
            }
          >
            {name}
          </button>
        )}
      </th>
      {columns.map((column) => (
        <Cell key={column.id} column={column} row={row} total={total} />
      ))}
      {trend === null ? null : (
        <>
          <td>
            <MadeOf sums={row.sums} />
          </td>
          <td class="trend">
            <Spark points={trend} />
          </td>
        </>
      )}
      <td>
        <Exact value={row.sums.lastSettledAt}>{ago(row.sums.lastSettledAt, serverNow(), zone)}</Exact>
      </td>
    </tr>
  );
}

const MADE_OF = ['reported', 'partial', 'estimated', 'none'] as const;

/** How sure the counts are, as a bar, in words for whoever does not see it. */
function MadeOf({ sums }: { sums: Sums }) {
  const text = madeOf(sums);
  return (
    <span class="made" role="img" aria-label={text} title={text}>
      {MADE_OF.map((name) =>
        sums[name] === 0 ? null : <span key={name} class={`made-${name}`} style={{ flexGrow: sums[name] }} />,
      )}
    </span>
  );
}

function Cell({ column, row, total }: { column: (typeof COLUMNS)[number]; row: Row; total: Sums }) {
  const exact = column.exact(row, total);
  const shown = column.shown(row, total);
  return (
    <td
      class={className(column.room, column.id)}
      data-column={column.id}
      title={shown.length > ROOMY_CHARS ? shown : undefined}
    >
      {column.id === 'share' && exact !== null ? (
        <i
          class="share"
          style={{ backgroundSize: `${100 * Math.min(1, Math.max(0, Number(exact)))}% 100%` }}
          aria-hidden="true"
        />
      ) : null}
      <Exact value={exact}>{shown}</Exact>
    </td>
  );
}

function className(room: Column['room'], id: string): string {
  return `${room ?? ''} ${id === 'name' ? 'text' : ''}`.trim();
}

/** One cell, in the first column: over more columns than are shown it would make the others, which then take their share of the room. */
function Spacer({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true" class="spacer">
      <td style={{ height: `${rows * ROW_PX}px` }} />
    </tr>
  );
}

const WIDE = '(min-width: 1621px)';
/** Columns of a long table are as wide as what they may hold, not as what they hold. */
const WIDE_LONG = '(min-width: 1900px)';

function useIsWide(query: string): boolean {
  const media = useMemo(() => matchMedia(query), [query]);
  const changes = useSignal(0);
  useEffect(() => {
    const change = (): void => {
      changes.value += 1;
    };
    media.addEventListener('change', change);
    return () => media.removeEventListener('change', change);
  }, [media]);
  changes.value;
  return media.matches;
}

/** Which rows of a long table are on the screen; all of a short one. */
function useSeen(count: number) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [[first, last], setSeen] = useState<[number, number]>([0, 60]);
  const look = () => {
    if (body.current === null || count <= ALL_DRAWN_MAX) return;
    const top = body.current.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / ROW_PX) - SPARE_ROWS);
    const to = Math.ceil((innerHeight - top) / ROW_PX) + SPARE_ROWS;
    setSeen(([wasFrom, wasTo]) => (wasFrom === from && wasTo === to ? [wasFrom, wasTo] : [from, to]));
  };
  useEffect(() => {
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [count <= ALL_DRAWN_MAX]);
  useLayoutEffect(look, [count]);
  if (count <= ALL_DRAWN_MAX) return { body, first: 0, last: count, drawnMax: null };
  const end = Math.min(count, Math.max(last, first));
  return { body, first: Math.min(first, end), last: end, drawnMax: Math.max(last - first, 1) };
}
