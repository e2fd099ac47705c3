/**
 * Customers and models in one table: who used what for how much. A customer is an end user, or a tenant where there are several.
 * All of it can be taken along as a file, with the composition of each sum.
 */
import { useSignal } from '@preact/signals';
import type { UsageGroup } from '@weighbridge/client';
import { type Looked, look, looked } from '../address.ts';
import { periodNow, questionOf, ROWS_MAX } from '../answers.ts';
import { client } from '../client.ts';
import { lineOf } from '../export-text.ts';
import { withFilter } from '../filter-text.ts';
import { compact, whole } from '../format.ts';
import { addSums, noSums, type Sums, takeSums, tokensOf } from '../sums.ts';
import { LiveView } from '../view.ts';
import { useAsked } from './asked.ts';
import { Controls } from './controls.tsx';
import { Exact } from './exact.tsx';
import { ExportButtons } from './export-buttons.tsx';
import { Problem } from './problem.tsx';
import { costText } from './rows.ts';
import { madeOf } from './tiles.tsx';

/** Models with a column of their own. */
const COLUMNS_MAX = 7;
const CUSTOMERS_MAX = 200;

const AMOUNTS = {
  cost: { label: 'Cost', exact: (sums: Sums) => sums.costNanoUsd, shown: costText },
  tokens: { label: 'Tokens', exact: tokensOf, shown: (sums: Sums) => compact(tokensOf(sums)) },
  requests: {
    label: 'Requests',
    exact: (sums: Sums) => BigInt(sums.requests),
    shown: (sums: Sums) => whole(sums.requests),
  },
} as const;
type Amount = keyof typeof AMOUNTS;

export function Customers() {
  const by = useSignal<Who>('endUser');
  const amount = useSignal<Amount>('cost');
  const state = looked.value;
  const { answer, problem } = useAsked(JSON.stringify([state.range, state.filters, state.zone, by.value]), () =>
    customersAnswer(state, by.value),
  );
  const matrix = answer.value === null ? null : matrixOf(answer.value, amount.value);
  return (
    <>
      <Controls hasGroups={false} />
      <Problem text={problem.value} />
      {matrix === null ? (
        <p class="waiting">Asking the ledger…</p>
      ) : (
        <section class="card" aria-label="Customers and models">
          <header class="bar">
            <fieldset class="choice">
              <legend class="sr">Who is a customer</legend>
              {(['endUser', 'tenant'] as const).map((name) => (
                <button key={name} type="button" aria-pressed={by.value === name} onClick={() => (by.value = name)}>
                  {name === 'tenant' ? 'Tenants' : 'End users'}
                </button>
              ))}
            </fieldset>
            <fieldset class="choice">
              <legend class="sr">What is shown of them</legend>
              {(Object.keys(AMOUNTS) as Amount[]).map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={amount.value === name}
                  onClick={() => (amount.value = name)}
                >
                  {AMOUNTS[name].label}
                </button>
              ))}
            </fieldset>
            <ExportButtons name={`customers-${matrix.rangeName}`} view={matrix.view} lines={matrix.lines} />
          </header>
          <Shown matrix={matrix} amount={amount.value} />
        </section>
      )}
    </>
  );
}

type Who = 'endUser' | 'tenant';

interface CustomersAnswer {
  /** Which of both it was asked for, and in which range: the next answer may be on its way. */
  by: Who;
  rangeName: string;
  pairs: LiveView;
  /** Where the pairs are too many for one answer: the sums of each customer, and of each model, with all of them in. */
  sums: { customers: LiveView; models: LiveView } | null;
}

async function customersAnswer(state: Looked, by: Who): Promise<CustomersAnswer> {
  const during = { ...questionOf(state, periodNow(state)), latency: false, limit: ROWS_MAX };
  const ask = async (groupBy: UsageGroup[]) => new LiveView(await client.usage({ ...during, groupBy }), state.filters);
  const pairs = await ask([by, 'model']);
  const asked = { by, rangeName: state.range.name, pairs };
  if (pairs.rowsOmitted === 0) return { ...asked, sums: null };
  const [customers, models] = await Promise.all([ask([by]), ask(['model'])]);
  return { ...asked, sums: { customers, models } };
}

interface Matrix {
  by: Who;
  rangeName: string;
  view: LiveView;
  models: (string | null)[];
  rows: { name: string | null; total: Sums; cells: Map<string | null, Sums>; others: Sums }[];
  totals: Map<string | null, Sums>;
  others: Sums;
  total: Sums;
  customerCount: number;
  /** Some pairs are known only as a part of their customer's others. */
  isCut: boolean;
  lines(): ReturnType<typeof lineOf>[];
}

function matrixOf({ by, rangeName, pairs, sums }: CustomersAnswer, amount: Amount): Matrix {
  const size = (sums: Sums): bigint => AMOUNTS[amount].exact(sums);
  const cells = [...pairs.cells.values()];
  const models = groupedBy(cellsOf(sums?.models, 0) ?? cellsOf(pairs, 1));
  const customers = groupedBy(cellsOf(sums?.customers, 0) ?? cellsOf(pairs, 0));
  const shownModels = ordered(models, size).slice(0, COLUMNS_MAX);
  const rows = ordered(customers, size)
    .slice(0, CUSTOMERS_MAX)
    .map((name) => {
      const own = cells.filter(({ group }) => (group[0] ?? null) === name);
      const byModel = new Map(own.map(({ group, sums }) => [group[1] ?? null, sums]));
      const total = customers.get(name)!;
      return { name, total, cells: byModel, others: rest(total, shownModels, byModel) };
    });
  const total = sums === null ? summed([...models.values()]) : pairs.totals;
  return {
    by,
    rangeName,
    view: pairs,
    models: shownModels,
    rows,
    totals: models,
    others: rest(total, shownModels, models),
    total,
    customerCount: customers.size + (sums?.customers.rowsOmitted ?? 0),
    isCut: sums !== null,
    lines: () => cells.map(({ group, sums }) => lineOf({ [by]: group[0] ?? null, model: group[1] ?? null }, sums)),
  };
}

function cellsOf(view: LiveView, at: number): [string | null, Sums][];
function cellsOf(view: LiveView | undefined, at: number): [string | null, Sums][] | undefined;
function cellsOf(view: LiveView | undefined, at: number): [string | null, Sums][] | undefined {
  return view && [...view.cells.values()].map(({ group, sums }) => [group[at] ?? null, sums]);
}

/** What is left of a total without the models that have a column. */
function rest(total: Sums, models: readonly (string | null)[], parts: ReadonlyMap<string | null, Sums>): Sums {
  const left = summed([total]);
  for (const name of models) takeSums(left, parts.get(name) ?? noSums());
  return left;
}

function Shown({ matrix, amount }: { matrix: Matrix; amount: Amount }) {
  const { by } = matrix;
  const { shown, exact } = AMOUNTS[amount];
  const hasOthers = matrix.totals.size > matrix.models.length || matrix.isCut;
  const cell = (sums: Sums | undefined) =>
    sums === undefined || isNothing(sums) ? (
      <td class="nothing">–</td>
    ) : (
      <td title={madeOf(sums)}>
        <Exact value={exact(sums)}>{shown(sums)}</Exact>
      </td>
    );
  if (matrix.rows.length === 0) return <p class="note">Nothing was settled in this range.</p>;
  return (
    <section class="scroll" tabIndex={0} aria-label="Customers and models">
      <table class="matrix sums">
        <thead>
          <tr>
            <th scope="col">{by === 'tenant' ? 'Tenant' : 'End user'}</th>
            <th scope="col">All</th>
            {matrix.models.map((name) => (
              <th key={name} scope="col" class="clip" title={name ?? ''}>
                {name}
              </th>
            ))}
            {hasOthers ? <th scope="col">Others</th> : null}
          </tr>
        </thead>
        <tbody>
          {matrix.rows.map((row) => (
            <tr key={row.name ?? '\0'} data-name={row.name ?? ''}>
              <th scope="row">
                {row.name === null ? (
                  <span class="nothing">none</span>
                ) : (
                  <button
                    type="button"
                    class="name"
                    title={row.name}
                    onClick={() =>
                      look({
                        tab: 'models',
                        filters: withFilter(looked.peek().filters, { name: by, value: row.name!, isExcluded: false }),
                      })
                    }
                  >
                    {row.name}
                  </button>
                )}
              </th>
              {cell(row.total)}
              {matrix.models.map((name) => cell(row.cells.get(name)))}
              {hasOthers ? cell(row.others) : null}
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">All</th>
            {cell(matrix.total)}
            {matrix.models.map((name) => cell(matrix.totals.get(name)))}
            {hasOthers ? cell(matrix.others) : null}
          </tr>
        </tfoot>
      </table>
      {matrix.customerCount > matrix.rows.length ? (
        <p class="note">
          {matrix.rows.length} of {matrix.customerCount} customers are shown; the sums below hold all of them.
        </p>
      ) : null}
      {matrix.isCut ? (
        <p class="note">
          There are more pairs of a customer and a model than one answer holds: the smallest are only in “Others”, and
          not in the files. Filter, or choose a shorter range.
        </p>
      ) : null}
    </section>
  );
}

/** A correction alone is something, though it is no request. */
function isNothing(sums: Sums): boolean {
  return sums.requests === 0 && sums.costNanoUsd === 0n && tokensOf(sums) === 0n;
}

function groupedBy(pairs: readonly (readonly [string | null, Sums])[]): Map<string | null, Sums> {
  const found = new Map<string | null, Sums>();
  for (const [name, sums] of pairs) {
    const own = found.get(name) ?? noSums();
    addSums(own, sums);
    found.set(name, own);
  }
  return found;
}

function ordered(groups: Map<string | null, Sums>, size: (sums: Sums) => bigint): (string | null)[] {
  return [...groups]
    .sort(([, a], [, b]) => (size(a) < size(b) ? 1 : size(a) > size(b) ? -1 : b.requests - a.requests))
    .map(([name]) => name);
}

function summed(all: readonly Sums[]): Sums {
  const total = noSums();
  for (const sums of all) addSums(total, sums);
  return total;
}
