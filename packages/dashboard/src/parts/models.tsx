/** The Models tab: what to look at, how things stand, the sums, the chart, the table, and what is happening now. */
import { useEffect, useState } from 'preact/hooks';
import { addressProblem } from '../address.ts';
import { isEmpty, isFirst } from '../latest.ts';
import { answers, drawn, isOutdated, problem } from '../screen.ts';
import { ChartCard } from './chart-card.tsx';
import { Controls } from './controls.tsx';
import { Empty } from './empty.tsx';
import { Flight } from './flight.tsx';
import { Problem } from './problem.tsx';
import { Strip } from './strip.tsx';
import { Table } from './table.tsx';
import { Tail } from './tail.tsx';
import { Tiles } from './tiles.tsx';

const PARTS = 3;

export function Models() {
  if (isEmpty.value === true) return <Empty />;
  return (
    <>
      {isFirst.value ? (
        <p class="light green" role="status">
          <span class="dot" aria-hidden="true" /> The first call is metered.
        </p>
      ) : null}
      <Controls />
      <Problem text={problem.value || addressProblem.value} />
      {answers.value !== null ? <Answered /> : problem.value === '' ? <p class="waiting">Asking the ledger…</p> : null}
    </>
  );
}

/** From above, a frame each, when the page opens: the sums are read while the rest is still drawn, and asked. */
function Answered() {
  const { chart, table } = answers.value!.rest;
  const [parts, setParts] = useState(1);
  const isLate = useLater(LATE_MS);
  const canGoOn = isLate || (chart !== undefined && (parts === 1 || table !== undefined));
  useEffect(() => {
    if (canGoOn && parts < PARTS) void drawn().then(() => setParts(parts + 1));
  }, [canGoOn, parts]);
  return (
    <div class="answered" aria-busy={isOutdated.value}>
      <Strip />
      <Tiles />
      {chart === undefined ? null : <ChartCard {...chart} />}
      {parts < 2 || table === undefined ? null : <Table table={table} chart={chart} />}
      {parts < PARTS ? null : (
        <div class="now">
          <Tail />
          <Flight />
        </div>
      )}
    </div>
  );
}

/** What comes late, or not at all, holds nothing else up: least of all the buttons that stop a run. */
const LATE_MS = 1_000;

function useLater(ms: number): boolean {
  const [isLater, setLater] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLater(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return isLater;
}
