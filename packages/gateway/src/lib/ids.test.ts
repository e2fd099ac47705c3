/** Ids ascend, whatever the clock does, and never repeat. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdSource, siblingId } from './ids.ts';

test('ids of one process ascend and differ, inside a millisecond and when the clock goes back', () => {
  const times = [5, 5, 5, 4, 3, 6, 6];
  let calls = 0;
  const ids = new IdSource(() => times[Math.min(calls++, times.length - 1)]!);
  const made = Array.from({ length: 2000 }, () => ids.next('dsp'));
  assert.deepEqual(made, made.toSorted());
  assert.equal(new Set(made).size, made.length);
  assert.match(made[0]!, /^dsp_[0-9A-HJKMNP-TV-Z]{26}$/);
});

test('counting up carries over, and the highest start leaves room to count', () => {
  const ids = new IdSource(
    () => 1,
    (bytes) => new Uint8Array(bytes).fill(255),
  );
  const [first, second] = [ids.next('evt'), ids.next('evt')];
  assert.ok(second! > first!);
});

test('two processes in the same millisecond make different ids', () => {
  const one = new IdSource(() => 7);
  const other = new IdSource(() => 7);
  assert.notEqual(one.next('dsp'), other.next('dsp'));
});

test('an entry, its event and its dispatch share their suffix', () => {
  assert.equal(siblingId('dsp_01ABC', 'ent'), 'ent_01ABC');
});
