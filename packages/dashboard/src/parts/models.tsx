/** The Models tab: what to look at, how things stand, the sums, the chart, the table, and what is happening now. */
import { isEmpty, isFirst } from '../latest.ts';
import { answers, problem } from '../screen.ts';
import { ChartCard } from './chart-card.tsx';
import { Controls } from './controls.tsx';
import { Empty } from './empty.tsx';
import { Flight } from './flight.tsx';
import { Strip } from './strip.tsx';
import { Table } from './table.tsx';
import { Tail } from './tail.tsx';
import { Tiles } from './tiles.tsx';

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

function Answered() {
  return (
    <>
      <Strip />
      <Tiles />
      {answers.value!.rest === null ? null : (
        <>
          <ChartCard />
          <Table />
        </>
      )}
      <div class="now">
        <Tail />
        <Flight />
      </div>
    </>
  );
}
