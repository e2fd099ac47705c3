/**
 * Sessions against SIGKILL: a gateway is killed in the middle of turns and keyed calls, and started again. What a client was
 * told has ended is in its transcript, once and in order; no message is without its run in the ledger; and what a session
 * used is what the ledger has under its key, because both know it by one id.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeighbridgeClient } from '@weighbridge/client';
import { quotas, seed } from './quotas.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { lastFirst } from './rig/last-first.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { between, pick, seeded } from './rig/random.ts';
import { until } from './rig/until.ts';
import { WireClient } from './wire/client.ts';

const SESSIONS = 6;
const MODELS = ['ok-3', 'ok-8+gap-4ms', 'ok-20+gap-1ms'];
const AGENTS = { entries: { main: { model: 'scripted/ok-3', default: true } } };
const random = seeded(seed);

/** By session: the texts of the turns whose end a client saw, in their order. */
type Seen = Map<string, string[]>;

/** Turns and calls in each session, until the gateway is killed among them. */
async function killAmongTurns(gateway: GatewayProcess, round: number, seen: Seen): Promise<void> {
  const { url, token } = gateway;
  const client = await WireClient.connect(url, { token });
  let ended = 0;
  const turns = Array.from({ length: SESSIONS }, async (_, at) => {
    // Old sessions, and in each round one that is new.
    const sessionKey = `agent:main:${at === 0 ? `new-${round}` : `s${at}`}`;
    const texts = seen.get(sessionKey) ?? [];
    seen.set(sessionKey, texts);
    while (true) {
      const message = randomUUID();
      const asked = { sessionKey, message, idempotencyKey: message, provider: 'scripted', model: pick(random, MODELS) };
      await client.final('agent', asked);
      texts.push(message);
      ended++;
    }
  });
  const calls = Array.from({ length: 2 }, async (_, at) => {
    while (true) await call(url, token, `agent:main:h${at}`);
  });
  const over = Promise.allSettled([...turns, ...calls]);
  await until('turns have ended', () => ended >= SESSIONS);
  await sleep(between(random, 0, 100));
  await gateway.kill();
  await over;
}

async function call(url: string, token: string, sessionKey: string): Promise<void> {
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-openclaw-session-key': sessionKey },
    body: JSON.stringify({ model: 'scripted/ok-3', messages: [{ role: 'user', content: 'called' }] }),
  });
  await answer.text();
}

interface Message {
  sessionKey: string;
  seq: number;
  role: string;
  runId: string;
  text: string;
}

function written(file: string): { messages: Message[]; runs: Set<string>; homeless: unknown[] } {
  const db = new DatabaseSync(file, { readOnly: true });
  const messages = db
    .prepare(
      `select "sessionKey", seq, role, t."runId", body ->> 'text' as text
       from transcripts t join sessions using ("tenantId", "sessionId") order by "sessionKey", seq`,
    )
    .all() as unknown as Message[];
  const runs = db.prepare('select distinct "runId" from entries').all() as { runId: string }[];
  const homeless = db
    .prepare(
      `select "dispatchId", "sessionKey" from entries e where "sessionKey" is not null and not exists
       (select 1 from sessions s where s."tenantId" = e."tenantId" and s."sessionId" = e."sessionId")`,
    )
    .all();
  db.close();
  return { messages, runs: new Set(runs.map(({ runId }) => runId)), homeless };
}

test(`after ${quotas.sessionKills} kills transcripts have what clients saw, and sessions used what the ledger has`, async (context) => {
  console.log(`seed ${seed}`);
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const config = scriptedConfig(provider.baseUrl, { agents: AGENTS });
  const gateway = new GatewayProcess({ stateDir: join(scratch, 'state'), config });
  t.after(() => gateway.kill().catch(() => {}));
  const seen: Seen = new Map();
  for (let round = 0; round < quotas.sessionKills; round++) {
    await gateway.start();
    await killAmongTurns(gateway, round, seen);
  }
  await gateway.start();
  const client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
  const { data: sessions } = await client.sessions({ limit: 1000 });
  assert.equal(sessions.length, SESSIONS - 1 + quotas.sessionKills + 2);
  for (const { sessionKey, usageTotal } of sessions) {
    const { totals } = await client.usage({ session: sessionKey });
    assert.deepEqual(
      [usageTotal.dispatches, usageTotal.input, usageTotal.output, usageTotal.cost?.nanoUsd ?? null],
      [Number(totals.requests), Number(totals.input), Number(totals.output), totals.costNanoUsd],
      sessionKey,
    );
  }
  await gateway.stop();

  const { messages, runs, homeless } = written(gateway.databaseFile);
  assert.deepEqual(homeless, [], 'dispatches of a session that is not there');
  assert.deepEqual(
    messages.filter(({ runId }) => !runs.has(runId)),
    [],
    'messages of a run that the ledger does not know',
  );
  const said = messages.map(({ runId, role }) => `${runId} ${role}`);
  assert.equal(new Set(said).size, said.length, 'a message twice');
  for (const [sessionKey, texts] of seen) {
    const own = messages.filter((message) => message.sessionKey === sessionKey);
    assert.deepEqual(
      own.map(({ seq }) => seq),
      own.map((_, at) => at + 1),
    );
    const asked = own.filter(({ role }) => role === 'user').map(({ text }) => text);
    assert.deepEqual(
      asked.filter((text) => texts.includes(text)),
      texts,
      `${sessionKey} has what was seen to end, in its order`,
    );
    // What nobody saw the end of is there with its answer, or not at all.
    assert.equal(own.filter(({ role }) => role === 'assistant').length, asked.length);
  }
});
