/**
 * One answer of the ledger that goes on living: it holds every event up to a number, and events after that number are added
 * to it. What was asked (period, groups, buckets, filters) decides where an event goes, or that it is not meant.
 */
import type { DispatchRecord, TimeBucket, UsageAnswer, UsageGroup } from '@weighbridge/client';
import { type Filter, matches, propertyOf } from './filter-text.ts';
import { addAnswer, addRecord, noSums, type Sums } from './sums.ts';
import { nextBucket, startOfBucket } from './zone.ts';

export interface Cell {
  group: (string | null)[];
  /** Where its bucket begins; 0 where there are none. */
  bucketMs: number;
  sums: Sums;
}

export interface SettledEvent {
  seq: number;
  record: DispatchRecord;
}

export class LiveView {
  readonly groupBy: readonly UsageGroup[];
  readonly bucket: TimeBucket | null;
  readonly fromMs: number;
  readonly toMs: number;
  /** Over completed dispatches of all groups; as asked, not live. */
  readonly totals: Sums;
  readonly rowsOmitted: number;
  readonly cells = new Map<string, Cell>();
  /** Every event up to here is in it. */
  seq: number;
  readonly zone: string;
  /** The bucket that the last event fell into; the next one does too, mostly. */
  #last = { fromMs: 0, toMs: 0 };
  readonly #filters: readonly Filter[];

  constructor(answer: UsageAnswer, filters: readonly Filter[]) {
    this.groupBy = answer.groupBy;
    this.bucket = answer.bucket;
    this.fromMs = Date.parse(answer.from);
    this.toMs = Date.parse(answer.to);
    this.rowsOmitted = answer.rowsOmitted;
    this.seq = answer.asOfSeq;
    this.zone = answer.tz;
    this.#filters = filters;
    this.totals = noSums();
    addAnswer(this.totals, answer.totals, null, 0);
    const outcomeAt = answer.groupBy.indexOf('outcome');
    for (const row of answer.rows) {
      const group = answer.groupBy.map((name) => row.group[name] ?? null);
      const { sums } = this.#cell(group, row.bucketStart === null ? 0 : Date.parse(row.bucketStart), true)!;
      addAnswer(sums, row, outcomeAt < 0 ? null : group[outcomeAt]!, Date.parse(row.lastSettledAt));
    }
  }

  /** Whether it has to be asked again: the event lies after its period's end. */
  isOver({ record }: SettledEvent): boolean {
    return record.settledAt !== null && Date.parse(record.settledAt) >= this.toMs;
  }

  /** True where it changed. */
  add({ seq, record }: SettledEvent): boolean {
    if (seq <= this.seq) return false;
    this.seq = seq;
    if (record.settledAt === null) return false;
    const settledMs = Date.parse(record.settledAt);
    if (settledMs < this.fromMs || settledMs >= this.toMs || !matches(this.#filters, record)) return false;
    const group = this.groupBy.map((name) => propertyOf(record, name));
    addRecord(this.totals, record);
    // Where groups were left out, one that is not here may be one of those: of it only this event would be known.
    const cell = this.#cell(group, this.#bucketOf(settledMs), this.rowsOmitted === 0);
    if (cell !== null) addRecord(cell.sums, record);
    return true;
  }

  #bucketOf(ms: number): number {
    if (this.bucket === null) return 0;
    if (ms < this.#last.fromMs || ms >= this.#last.toMs) {
      const fromMs = startOfBucket(this.bucket, this.zone, ms);
      this.#last = { fromMs, toMs: nextBucket(this.bucket, this.zone, fromMs) };
    }
    return this.#last.fromMs;
  }

  #cell(group: (string | null)[], bucketMs: number, isMade: boolean): Cell | null {
    const key = JSON.stringify([bucketMs, ...group]);
    let cell = this.cells.get(key) ?? null;
    if (cell === null && isMade) {
      cell = { group, bucketMs, sums: noSums() };
      this.cells.set(key, cell);
    }
    return cell;
  }
}
