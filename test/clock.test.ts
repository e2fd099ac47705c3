/** A gateway whose machine's clock is a day ahead, on a database that others share: it must not date their entries. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import pino from 'pino';
import { loadConfig } from '../packages/gateway/src/config/load.ts';
import { startGateway } from '../packages/gateway/src/gateway.ts';
import type { Clock } from '../packages/gateway/src/lib/clock.ts';
import { scratchDirectory } from './rig/gateway-process.ts';
import { runOn, testDatabase } from './rig/postgres-server.ts';

const DAY_MS = 86_400_000;
const CALL = { model: 'demo/scripted', messages: [{ role: 'user', content: 'Hello' }] };

test('a clock that is a day ahead moves nobody’s dates on a shared database, and is told of', async (t) => {
  const url = await testDatabase();
  const lines: string[] = [];
  const into = new Writable({
    write: (line, _, done) => {
      lines.push(String(line));
      done();
    },
  });
  const { config, secrets } = await loadConfig({
    flags: { stateDir: scratchDirectory(t), port: '0' },
    variables: { WEIGHBRIDGE_DATABASE_URL: url },
    createToken: true,
  });
  const clock: Clock = { now: () => Date.now() + DAY_MS, monotonic: () => performance.now() };
  const gateway = await startGateway(config, secrets, { clock, log: pino({}, into) });
  try {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secrets.token!.reveal()}`, 'content-type': 'application/json' },
      body: JSON.stringify(CALL),
    });
    assert.equal(answer.status, 200, await answer.text());
  } finally {
    await gateway.close();
  }
  const [ledger] = await runOn<{ ahead: number }>(
    url,
    `select "lastSettledAt" - extract(epoch from clock_timestamp()) * 1000 as ahead from ledger where "lastSettledAt" > 0`,
  );
  assert.ok(Number(ledger!.ahead) < config.ledger.clockAheadMaxMs, `dates were moved by ${ledger!.ahead} ms`);
  const told = lines.filter((line) => line.includes('this machine’s clock is far ahead'));
  assert.equal(told.length, 1);
});
