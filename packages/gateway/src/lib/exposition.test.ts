/** The text format of metrics, against what Prometheus' document says of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DurationCounts, exposition } from './exposition.ts';

test('families are text that Prometheus reads: help, type, samples', () => {
  const text = exposition([
    { name: 'a_total', help: 'How many\nof them.', type: 'counter', samples: [{ labels: {}, value: 3 }] },
    { name: 'b', help: 'x', type: 'gauge', samples: [{ labels: { model: 'p"q\\r\ns' }, value: 0.5 }] },
  ]);
  assert.equal(
    text,
    '# HELP a_total How many\\nof them.\n# TYPE a_total counter\na_total 3\n# HELP b x\n# TYPE b gauge\nb{model="p\\"q\\\\r\\ns"} 0.5\n',
  );
});

test('a histogram’s buckets are cumulative, a value on a bound is inside it, and the last holds everything', () => {
  const durations = new DurationCounts([0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 2, 3]) durations.add(seconds);
  const more = new DurationCounts([0.1, 1]);
  more.add(1, 2);
  durations.merge(more);
  const text = exposition([{ name: 'h', help: 'x', type: 'histogram', samples: [durations.sample({ p: 'q' })] }]);
  assert.deepEqual(text.split('\n').slice(2, -1), [
    'h_bucket{p="q",le="0.1"} 2',
    'h_bucket{p="q",le="1"} 5',
    'h_bucket{p="q",le="+Inf"} 7',
    'h_sum{p="q"} 7.65',
    'h_count{p="q"} 7',
  ]);
});
