/** The Models tab: what to look at, how things stand, the sums, the chart, the table, and what is happening now. */
import { useEffect, useState } from 'preact/hooks';
import { isEmpty, isFirst } from '../latest.ts';
import { answers, drawn, problem } from '../screen.ts';
import { ChartCard } from './chart-card.tsx';
import { Controls } from './controls.tsx';
import { Empty } from './empty.tsx';
import { Flight } from './flight.tsx';
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
      {problem.value === '' ? null : (
        <p role="alert" class="problem">
          {problem.value}
        </p>
      )}
      {answers.value === null ? <p class="waiting">Asking the ledger…</p> : <Answered />}
    </>
  );
}

/** From above, a frame each, when the page opens: the sums are read while the rest is still drawn. */
function Answered() {
  const [parts, setParts] = useState(1);
  const canGoOn = answers.value!.rest !== null;
  useEffect(() => {
    if (canGoOn && parts < PARTS) void drawn().then(() => setParts(parts + 1));
  }, [canGoOn, parts]);
  return (
    <>
      <Strip />
      <Tiles />
      {canGoOn ? <ChartCard /> : null}
      {canGoOn && parts > 1 ? <Table /> : null}
      {parts > 2 ? (
        <div class="now">
          <Tail />
          <Flight />
        </div>
      ) : null}
    </>
  );
}
