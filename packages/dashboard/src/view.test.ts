/** Answers that go on living: what events add, and what is drawn of a period that begins in the midst of a bucket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatchRecord, UsageAnswer, UsageSums } from '@weighbridge/protocol';
import { bucketStarts, courseOf } from './parts/course.ts';
import { COLUMNS, rowsOf } from './parts/rows.ts';
import { LiveView } from './view.ts';

const SUMS: UsageSums = {
  requests: 1,
  input: '10',
  output: '5',
  cacheRead: '0',
  cacheWrite: '0',
  cacheWrite1h: '0',
  reasoning: '0',
  total: '15',
  costNanoUsd: '100',
  costUsd: '0.0000001',
  composition: { reported: 1, partial: 0, estimated: 0, none: 0, unpriced: 0, uncertain: 0 },
  latencyMs: null,
  timeToFirstTokenMs: null,
};

function answer(given: Partial<UsageAnswer>, rows: { group: object; bucketStart?: string }[]): UsageAnswer {
  return {
    object: 'usage',
    from: '2026-11-20T00:00:00.000Z',
    to: '2026-11-21T00:00:00.000Z',
    groupBy: ['model'],
    bucket: null,
    tz: 'UTC',
    asOfSeq: 10,
    rowsOmitted: 0,
    totals: SUMS,
    ...given,
    rows: rows.map(({ group, bucketStart = null }) => ({
      ...SUMS,
      group,
      bucketStart,
      lastSettledAt: '2026-11-20T12:00:00.000Z',
    })),
  } as UsageAnswer;
}

function settled(model: string): DispatchRecord {
  const usage = { input: 10, output: 5, cacheRead: 0, cacheWrite: 0, cacheWrite1h: 0, reasoning: null };
  const cost = { nanoUsd: '100', usd: '0.0000001' };
  const ended = { outcome: 'completed', settledAt: '2026-11-20T13:00:00.000Z', usageSource: 'reported' };
  return { kind: 'usage', model, usage, cost, ...ended } as unknown as DispatchRecord;
}

test('an event adds once, and not before the answer’s own number', () => {
  const view = new LiveView(answer({}, [{ group: { model: 'a' } }]), []);
  assert.equal(view.add({ seq: 10, record: settled('a') }), false);
  assert.equal(view.add({ seq: 11, record: settled('a') }), true);
  assert.equal(view.add({ seq: 11, record: settled('a') }), false);
  assert.equal(rowsOf(view)[0]!.sums.requests, 2);
});

test('a group that the answer left out does not come back as if it had begun with the last event', () => {
  const cut = new LiveView(answer({ rowsOmitted: 3 }, [{ group: { model: 'a' } }]), []);
  cut.add({ seq: 11, record: settled('left out') });
  cut.add({ seq: 12, record: settled('a') });
  assert.deepEqual(
    rowsOf(cut).map(({ name, sums }) => [name, sums.requests]),
    [['a', 2]],
  );
  assert.equal(cut.totals.requests, 3);
});

test('where outcomes were not asked no share of failures is shown', () => {
  const errors = COLUMNS.find(({ id }) => id === 'errors')!;
  const [unknown] = rowsOf(new LiveView(answer({}, [{ group: { model: 'a' } }]), []));
  assert.equal(errors.exact(unknown!, unknown!.sums), null);
  const byOutcome = answer({ groupBy: ['model', 'outcome'] }, [{ group: { model: 'a', outcome: 'failed' } }]);
  const [known] = rowsOf(new LiveView(byOutcome, []));
  assert.equal(errors.exact(known!, known!.sums), 1);
});

test('the first bucket is drawn also where the period begins in the midst of it', () => {
  const given = { from: '2026-11-20T10:15:00.000Z', to: '2026-11-20T14:00:00.000Z', bucket: 'hour' as const };
  const rows = ['10', '12'].map((hour) => ({ group: { model: 'a' }, bucketStart: `2026-11-20T${hour}:00:00.000Z` }));
  const view = new LiveView(answer(given, rows), []);
  assert.deepEqual(
    bucketStarts(view).map((start) => new Date(start).toISOString().slice(11, 16)),
    ['10:00', '11:00', '12:00', '13:00'],
  );
  const { series } = courseOf(view, 'cost');
  assert.deepEqual(series[0]!.exact, [100n, 0n, 100n, 0n]);
});

test('hours after clocks were put by half an hour are those of the gateway', () => {
  // Lord Howe, 3 October 2026, 15:30 in UTC: from +10:30 to +11.
  const given = { from: '2026-10-03T13:30:00.000Z', to: '2026-10-03T18:00:00.000Z', tz: 'Australia/Lord_Howe' };
  const starts = ['13:30', '14:30', '15:30', '16:00', '17:00'];
  const rows = starts.map((time) => ({ group: { model: 'a' }, bucketStart: `2026-10-03T${time}:00.000Z` }));
  const view = new LiveView(answer({ ...given, bucket: 'hour' }, rows), []);
  const { series } = courseOf(view, 'requests');
  assert.deepEqual(series[0]!.exact, [1n, 1n, 1n, 1n, 1n]);
});

test('a group without a name is not the one that is called none', () => {
  const rows = [{ group: { agent: null } }, { group: { agent: 'none' } }].map((row) => ({
    ...row,
    bucketStart: '2026-11-20T00:00:00.000Z',
  }));
  const view = new LiveView(answer({ groupBy: ['agent'], bucket: 'day' }, rows), []);
  assert.equal(courseOf(view, 'requests').series.length, 2);
});
