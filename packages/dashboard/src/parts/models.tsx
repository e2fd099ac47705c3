/** The Models tab: what to look at, how things stand, the sums, the chart, the table, and what is happening now. */
import { answers, problem } from '../screen.ts';
import { Controls } from './controls.tsx';
import { Table } from './table.tsx';
import { Tiles } from './tiles.tsx';

export function Models() {
  return (
    <>
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
      <Tiles />
      <Table />
    </>
  );
}
