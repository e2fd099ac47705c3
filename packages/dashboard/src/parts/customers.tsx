/**
 * Customers and models in one table: who used what for how much. A customer is an end user, or a tenant where there are several.
 * All of it can be taken along as a file, with the composition of each sum.
 */
import { useSignal } from '@preact/signals';
import { look, looked } from '../address.ts';
import { client } from '../client.ts';
import { lineOf } from '../export-text.ts';
import { serverNow } from '../facts.ts';
import { compact, whole } from '../format.ts';
import { periodOf } from '../period.ts';
import { questionOf } from '../screen.ts';
import { addSums, noSums, type Sums, tokensOf } from '../sums.ts';
import { LiveView } from '../view.ts';
import { useAsked } from './asked.ts';
import { Controls } from './controls.tsx';
import { Exact } from './exact.tsx';
import { ExportButtons } from './export-buttons.tsx';
import { costText } from './rows.ts';

/** Models with a column of their own. */
const COLUMNS_MAX = 7;
const CUSTOMERS_MAX = 200;
const ROWS_MAX = 10_000;

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
  const by = useSignal<'endUser' | 'tenant'>('endUser');
  const amount = useSignal<Amount>('cost');
  const state = looked.value;
  const { answer, problem } = useAsked(JSON.stringify([state.range, state.filters, state.zone, by.value]), async () => {
    const period = periodOf(state.range, state.zone, serverNow());
    const asked = await client.usage({
      ...questionOf(state, period),
      groupBy: [by.value, 'model'],
      latency: false,
      limit: ROWS_MAX,
    });
    return new LiveView(asked, state.filters);
  });
  const matrix = answer.value === null ? null : matrixOf(answer.value, amount.value);
  return (
    <>
      <Controls hasGroups={false} />
      {problem.value === '' ? null : (
        <p role="alert" class="problem">
          {problem.value}
        </p>
      )}
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
            <ExportButtons name={`customers-${state.range.name}`} lines={() => matrix.lines(by.value)} />
          </header>
          <Shown matrix={matrix} amount={amount.value} by={by.value} />
        </section>
      )}
    </>
  );
}

interface Matrix {
  models: (string | null)[];
  rows: { name: string | null; total: Sums; cells: Map<string | null, Sums>; others: Sums }[];
  totals: Map<string | null, Sums>;
  others: Sums;
  total: Sums;
  isCut: boolean;
  lines(by: string): ReturnType<typeof lineOf>[];
}

function matrixOf(view: LiveView, amount: Amount): Matrix {
  const size = (sums: Sums): bigint => AMOUNTS[amount].exact(sums);
  const cells = [...view.cells.values()];
  const models = groupedBy(cells.map(({ group, sums }) => [group[1] ?? null, sums]));
  const customers = groupedBy(cells.map(({ group, sums }) => [group[0] ?? null, sums]));
  const shownModels = ordered(models, size).slice(0, COLUMNS_MAX);
  const isOwn = new Set(shownModels);
  const rows = ordered(customers, size)
    .slice(0, CUSTOMERS_MAX)
    .map((name) => {
      const own = cells.filter(({ group }) => (group[0] ?? null) === name);
      return {
        name,
        total: customers.get(name)!,
        cells: new Map(own.map(({ group, sums }) => [group[1] ?? null, sums])),
        others: summed(own.filter(({ group }) => !isOwn.has(group[1] ?? null)).map(({ sums }) => sums)),
      };
    });
  return {
    models: shownModels,
    rows,
    totals: models,
    others: summed([...models].filter(([name]) => !isOwn.has(name)).map(([, sums]) => sums)),
    total: summed([...models.values()]),
    isCut: customers.size > rows.length || view.rowsOmitted > 0,
    lines: (by) => cells.map(({ group, sums }) => lineOf({ [by]: group[0] ?? null, model: group[1] ?? null }, sums)),
  };
}

function Shown({ matrix, amount, by }: { matrix: Matrix; amount: Amount; by: 'endUser' | 'tenant' }) {
  const { shown, exact } = AMOUNTS[amount];
  const hasOthers = matrix.totals.size > matrix.models.length;
  const cell = (sums: Sums | undefined) =>
    sums === undefined || sums.requests === 0 ? (
      <td class="nothing">–</td>
    ) : (
      <td>
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
            {hasOthers ? <th scope="col">Others ({matrix.totals.size - matrix.models.length})</th> : null}
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
                      look({ tab: 'models', filters: [{ name: by, value: row.name!, isExcluded: false }] })
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
      {matrix.isCut ? (
        <p class="note">
          There are more customers than this; the sums below hold them, the file has all that were asked.
        </p>
      ) : null}
    </section>
  );
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
