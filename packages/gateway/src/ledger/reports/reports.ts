/**
 * Takes in what others counted: all records of a request or none, each once by its id. An entry of theirs is written
 * settled, with its rollups and its event, in the transaction of every other settlement; it was never open.
 */
import type { IngestAnswer } from '@weighbridge/protocol';
import { GatewayError } from '../../domain/errors.ts';
import { siblingId } from '../../lib/ids.ts';
import { type Store, StoreUnavailable } from '../../store/store.ts';
import { intentValues, settlementValues } from '../record.ts';
import { type Report, type Reporter, reportOf } from './record.ts';
import type { Reported, ReportInput, ReportsInput } from './scripts.ts';

export interface ReportsDeps {
  store: Store;
  /** The process that writes. */
  instanceId: string;
  announce: (seq: number) => void;
}

export interface ReportsRequest {
  /** As they were sent. */
  records: readonly unknown[];
  /** Of the whole request: makes ids for records that have none; null: those count each time. */
  idempotencyKey: string | null;
  by: Reporter;
}

/** Rejects with GatewayError, and then nothing was written: what is wrong with a record, or that an id was another's. */
export async function takeIn(
  deps: ReportsDeps,
  { records, idempotencyKey, by }: ReportsRequest,
): Promise<IngestAnswer> {
  const reports = records.map((record, at) =>
    reportOf(record, `records[${at}]`, idempotencyKey === null ? null : `${idempotencyKey}#${at}`, by),
  );
  const reported = await write(deps, { now: by.now, reports: reports.map((report) => inputOf(report, deps)) });
  if ('conflict' in reported) {
    const { id } = reports[reported.conflict]!;
    throw new GatewayError(
      'report_conflict',
      `The record '${id}' was taken in before with another content; nothing of this request was. Give what is new an id of its own.`,
      { param: `records[${reported.conflict}].id` },
    );
  }
  if (reported.lastSeq !== null) deps.announce(reported.lastSeq);
  const results = reports.map(({ id }, at) => ({ id, ...reported.results[at]! }));
  const ingested = results.filter(({ status }) => status === 'ingested').length;
  return {
    status: 'ok',
    ingested,
    duplicates: results.length - ingested,
    ids: results.map(({ id }) => id),
    results,
  };
}

async function write({ store }: ReportsDeps, input: ReportsInput): Promise<Reported> {
  try {
    return await store.write<Reported>('reportEntries', input);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new GatewayError(
      'ledger_unavailable',
      'The ledger cannot record now, so nothing of this request was; send it again in a moment.',
      { retryAfterSeconds: 1 },
    );
  }
}

function inputOf({ id, fingerprint, intent, settlement, costNanoUsd }: Report, deps: ReportsDeps): ReportInput {
  const { tenantId, agentId } = intent.attribution;
  const { dispatchId, provider, model, source } = intent;
  return {
    reportId: id,
    fingerprint,
    dispatchId,
    identity: { tenantId, provider, model, agentId, source },
    entryId: siblingId(dispatchId, 'ent'),
    eventId: siblingId(dispatchId, 'evt'),
    intent: intentValues(intent, deps.instanceId),
    values: settlementValues(settlement, costNanoUsd),
  };
}
