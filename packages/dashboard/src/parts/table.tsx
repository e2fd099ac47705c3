/**
 * The table of sums by group. Sorted by any column, clicked to filter, drawn only where it is seen: ten thousand sessions are
 * a table like any other. Rows have one height, so that the place of each is known without drawing it.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { look, looked } from '../address.ts';
import { lineOf } from '../export-text.ts';
import { serverNow } from '../facts.ts';
import { toggled } from '../filter-text.ts';
import { ago } from '../format.ts';
import { answers, version } from '../screen.ts';
import type { Sums } from '../sums.ts';
import { GROUP_LABELS } from './controls.tsx';
import { Exact } from './exact.tsx';
import { ExportButtons } from './export-buttons.tsx';
import { allOf, COLUMNS, type Column, type Row, rowsOf, sorted } from './rows.ts';
import { Spark, trendsOf } from './spark.tsx';
import { madeOf } from './tiles.tsx';

const ROW_PX = 34;
/** Drawn beyond what is seen, above and below. */
const SPARE_ROWS = 12;
/** Fewer are drawn all, seen or not: so they can be printed, and found in the page. */
const ALL_DRAWN_MAX = 120;

export function Table() {
  const drawn = version.value;
  const { sources, rest } = answers.value!;
  const { table, chart, chartGroup } = rest!;
  const { sort, group } = looked.value;
  const hasAll = useSignal(false);
  // Not made again for each step of a scroll: there may be ten thousand.
  const { total, rows } = useMemo(() => {
    const sums = allOf(sources);
    return { total: sums, rows: sorted(rowsOf(table), sums, sort) };
  }, [drawn, table, sources, sort]);
  const { body, first, last } = useSeen(rows.length);
  const shown = rows.slice(first, last);
  const trends = useMemo(() => (chartGroup === group ? trendsOf(chart) : null), [drawn, chart, chartGroup, group]);
  return (
    <div class="card table-card">
      <header class="bar">
        <h2>{GROUP_LABELS[group]}s</h2>
        <button type="button" class="quiet" aria-pressed={hasAll.value} onClick={() => (hasAll.value = !hasAll.value)}>
          All columns
        </button>
        <ExportButtons
          name={`${group}-${looked.value.range.name}`}
          lines={() => rows.map(({ name, sums }) => lineOf({ [group]: name }, sums))}
        />
      </header>
      <section class="scroll" tabIndex={0} aria-label={`Sums by ${GROUP_LABELS[group].toLowerCase()}`}>
        <table class={`sums${hasAll.value ? ' all' : ''}`} aria-rowcount={rows.length + 2}>
          <thead>
            <tr>
              <Heading id="name" label={GROUP_LABELS[group]} meaning={GROUP_LABELS[group]} />
              {COLUMNS.map((column) => (
                <Heading key={column.id} {...column} />
              ))}
              <th scope="col" class="rare">
                Made of
              </th>
              <th scope="col" class="rare">
                Trend
              </th>
              <Heading id="seen" label="Last seen" meaning="When a dispatch was last settled" />
            </tr>
          </thead>
          <tbody ref={body}>
            <Spacer rows={first} />
            {shown.map((row, at) => (
              <RowLine
                key={row.name ?? '\0'}
                row={row}
                total={total}
                index={first + at + 2}
                trend={trends?.get(row.name) ?? []}
              />
            ))}
            <Spacer rows={rows.length - last} />
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{rows.length === 1 ? '1 row' : `${rows.length} rows`}</th>
              {COLUMNS.map((column) => (
                <Cell key={column.id} column={column} row={{ name: null, sums: total }} total={total} />
              ))}
              <td class="rare">
                <MadeOf sums={total} />
              </td>
              <td class="rare" />
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

function RowLine({ row, total, index, trend }: { row: Row; total: Sums; index: number; trend: readonly number[] }) {
  const { group, zone } = looked.value;
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
      {COLUMNS.map((column) => (
        <Cell key={column.id} column={column} row={row} total={total} />
      ))}
      <td class="rare">
        <MadeOf sums={row.sums} />
      </td>
      <td class="rare trend">
        <Spark points={trend} />
      </td>
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
  return (
    <td class={className(column.room, column.id)} data-column={column.id}>
      {column.id === 'share' && exact !== null ? (
        <meter min={0} max={1} value={Number(exact)} aria-hidden="true" />
      ) : null}
      <Exact value={exact}>{column.shown(row, total)}</Exact>
    </td>
  );
}

function className(room: Column['room'], id: string): string {
  return `${room ?? ''} ${id === 'name' ? 'text' : ''}`.trim();
}

function Spacer({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true" class="spacer">
      <td colSpan={COLUMNS.length + 4} style={{ height: `${rows * ROW_PX}px` }} />
    </tr>
  );
}

/** Which rows of a long table are on the screen; all of a short one. */
function useSeen(count: number) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [[first, last], setSeen] = useState<[number, number]>([0, 60]);
  const look = () => {
    if (body.current === null) return;
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
  }, []);
  useLayoutEffect(look, [count]);
  if (count <= ALL_DRAWN_MAX) return { body, first: 0, last: count };
  const end = Math.min(count, Math.max(last, first));
  return { body, first: Math.min(first, end), last: end };
}
