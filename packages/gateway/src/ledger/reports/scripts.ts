/**
 * The transaction that takes in what others counted: each request whole or not at all, each record once. An entry comes
 * settled, under a number of its own, with its event and its part of the rollups. Loaded by the store's writer thread.
 */
import { type Counters, lockCounters, placeAt } from '../../events/append.ts';
import { each, type Steps, together } from '../../store/steps.ts';
import type { Row, Value } from '../../store/store.ts';
import { RollupFold } from '../rollup.ts';
import { append, type EntryIdentity, entryEvent, rollupKeys, sourceOf } from '../settling.ts';

export interface ReportInput {
  reportId: string;
  fingerprint: string;
  dispatchId: string;
  identity: EntryIdentity;
  entryId: string;
  eventId: string;
  /** In the order of INTENT_COLUMNS, and of SETTLEMENT_COLUMNS. */
  intent: Value[];
  values: Value[];
}

/** One request. */
export interface ReportsInput {
  now: number;
  reports: readonly ReportInput[];
}

/** `conflict`: the place of the first record whose id was another's. */
export type Reported =
  | { conflict: number }
  | { lastSeq: number | null; results: { dispatchId: string; status: 'ingested' | 'duplicate' }[] };

interface Known {
  dispatchId: string;
  fingerprint: string;
}

export function* reportEntries(inputs: readonly ReportsInput[]): Steps<Reported[]> {
  const counters = yield* lockCounters(inputs);
  const known = yield* knownReports(inputs.flatMap(({ reports }) => reports));
  const fresh: ReportInput[] = [];
  const decided = inputs.map(({ reports }) => decide(reports, known, fresh));
  yield* insert(fresh, counters);
  const lastSeq = counters.seq + fresh.length;
  return decided.map((reported) =>
    'conflict' in reported || reported.results.every(({ status }) => status === 'duplicate')
      ? reported
      : { ...reported, lastSeq },
  );
}

/** What is there of these ids, by tenant and id. */
function* knownReports(reports: readonly ReportInput[]): Steps<Map<string, Known>> {
  const rows = yield* each(
    'ledger.findReport',
    reports.map(({ identity, reportId }) => [identity.tenantId, reportId]),
  );
  const known = new Map<string, Known>();
  reports.forEach((report, at) => {
    const row: Row | null = rows[at]!;
    if (row === null) return;
    known.set(nameOf(report), { dispatchId: String(row.dispatchId), fingerprint: String(row.fingerprint) });
  });
  return known;
}

/** Adds what is new of one request to `known` and `fresh`; of a request with a conflict nothing. */
function decide(reports: readonly ReportInput[], known: Map<string, Known>, fresh: ReportInput[]): Reported {
  const own = new Map<string, Known>();
  const added: ReportInput[] = [];
  const results: { dispatchId: string; status: 'ingested' | 'duplicate' }[] = [];
  for (const [at, report] of reports.entries()) {
    const name = nameOf(report);
    const before = known.get(name) ?? own.get(name);
    if (before === undefined) {
      own.set(name, report);
      added.push(report);
      results.push({ dispatchId: report.dispatchId, status: 'ingested' });
    } else if (before.fingerprint !== report.fingerprint) {
      return { conflict: at };
    } else {
      // A batch that runs again after a lost answer finds its own rows: to its sender they are new.
      const isOwn = before.dispatchId === report.dispatchId && !own.has(name);
      results.push({ dispatchId: before.dispatchId, status: isOwn ? 'ingested' : 'duplicate' });
    }
  }
  for (const [name, report] of own) known.set(name, report);
  fresh.push(...added);
  return { lastSeq: null, results };
}

function* insert(fresh: readonly ReportInput[], counters: Counters): Steps<void> {
  if (fresh.length === 0) return;
  const sources = fresh.map(({ identity, values }) => sourceOf(identity, 'usage', null, values, counters.settledAt));
  const places = fresh.map((_, index) => placeAt(counters, index));
  const [, , kept] = yield* together(
    {
      name: 'ledger.insertReport',
      rows: fresh.map(({ identity, reportId, dispatchId, fingerprint }) => [
        identity.tenantId,
        reportId,
        dispatchId,
        fingerprint,
      ]),
    },
    {
      name: 'ledger.insertSettled',
      rows: fresh.map(({ intent, values }, index) => {
        const { seq, settledAt } = places[index]!;
        return [...intent, seq, settledAt, ...values];
      }),
    },
    { name: 'ledger.readRollup', rows: rollupKeys(sources) },
  );
  const fold = new RollupFold();
  for (const source of sources) fold.add(source);
  const events = fresh.map(({ identity, eventId, entryId }, index) =>
    entryEvent(places[index]!, identity.tenantId, eventId, 'model.usage', entryId),
  );
  yield* append(counters, events, fold, kept!);
}

function nameOf({ identity, reportId }: ReportInput): string {
  return JSON.stringify([identity.tenantId, reportId]);
}
