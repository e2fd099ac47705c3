/** Which usage is recorded: the provider's count where it is the last, else what passed after it is added. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { readerOf } from '../providers/readers.ts';
import type { Reading } from '../providers/reading.ts';
import { unread } from './meter.ts';
import { type Exchanged, usageOutcome } from './outcome.ts';

const COUNTED: Reading = { ...unread(0), usage: makeUsage({ input: 25, output: 1 }), uncountedTokens: 30 };
const aborted = (reading: Reading, isComplete = false): Exchanged => ({
  end: { outcome: 'aborted', errorKind: 'caller_gone' },
  wasSent: true,
  status: 200,
  isComplete,
  reading,
});

test('an answer that broke off after an early count has what passed since added, and is partial', () => {
  assert.deepEqual(
    usageOutcome(aborted(COUNTED), () => assert.fail('the prompt was counted')),
    { usage: makeUsage({ input: 25, output: 31 }), usageSource: 'partial' },
  );
});

test('an answer that is whole has the provider’s count and nothing else', () => {
  const whole = { ...COUNTED, uncountedTokens: 0 };
  assert.deepEqual(
    usageOutcome(aborted(whole, true), () => 0),
    { usage: COUNTED.usage, usageSource: 'reported' },
  );
  const broken: Reading = { ...whole, anomaly: 'encoding_broken' };
  assert.deepEqual(
    usageOutcome(aborted(broken, true), () => 0),
    { usage: COUNTED.usage, usageSource: 'partial' },
  );
});

test('an answer that is whole but whose last count never came, or was impossible, is partial too', () => {
  const { usage, usageSource } = usageOutcome(aborted({ ...COUNTED, anomaly: 'usage_malformed' }, true), () => 0);
  assert.deepEqual([usage, usageSource], [makeUsage({ input: 25, output: 31 }), 'partial']);
});

test('a message cut in the middle has the prompt as counted and the answer as it passed', () => {
  const reader = readerOf('anthropic-messages').streamReader();
  const send = (event: unknown) => reader.frame(Buffer.from(`data: ${JSON.stringify(event)}\n\n`));
  send({
    type: 'message_start',
    message: { usage: { input_tokens: 25, cache_read_input_tokens: 7, output_tokens: 1 } },
  });
  for (let piece = 0; piece < 100; piece++) {
    send({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'weigh it ' } });
  }
  const { usage, usageSource } = usageOutcome(aborted(reader.reading()), () => 0);
  assert.equal(usageSource, 'partial');
  assert.deepEqual([usage!.input, usage!.cacheRead], [25, 7]);
  assert.ok(usage!.output > 180 && usage!.output < 260, `${usage!.output} tokens`);
  assert.equal(usage!.total, usage!.input + usage!.cacheRead + usage!.output);
});
