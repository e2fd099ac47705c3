/** What is put together beside a call's path: a loss that has no room of its own is counted, or nobody would know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { until } from '../../../test/rig/until.ts';
import type { GatewayConfig } from './domain/config.ts';
import type { RunStarted } from './domain/run-facts.ts';
import { systemClock } from './lib/clock.ts';
import { IdSource } from './lib/ids.ts';
import { WebhookRoom } from './webhooks/webhooks.fixture.ts';
import { runTelling } from './wiring.ts';

test('a run whose start or end could not be written down is counted as lost', async () => {
  const room = await WebhookRoom.open();
  const losses = { run_event: 0 };
  const around = { events: room.log, clock: systemClock, ids: new IdSource(), log: pino({ enabled: false }) };
  const config = { events: { runs: 'wanted' } } as GatewayConfig;
  const telling = runTelling({ ...around, losses, wants: () => true }, () => config);
  const fact = { tenantId: 'default', runId: 'run_1' } as RunStarted;
  telling.tell('run.started', fact);
  await until('it is in the log', async () => (await room.log.lastSeq()) === 1);
  assert.equal(losses.run_event, 0);
  await room.close();
  telling.tell('run.ended', fact as never);
  await until('the loss is counted', () => losses.run_event === 1);
});
