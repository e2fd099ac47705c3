/**
 * Promise P1 against SIGKILL: a gateway under constant load is killed at random moments, started again on the same state,
 * and its ledger compared with what the provider wrote down and what callers saw. Two gateways that are broken on purpose
 * show that the comparison finds what it should.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { quotas, seed } from './quotas.ts';
import { Caller } from './rig/caller.ts';
import { differences, type Sighting } from './rig/compare.ts';
import { GatewayProcess, scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import { readJournal } from './rig/journal.ts';
import { type Cleanups, lastFirst } from './rig/last-first.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { between, pick, type Random, seeded } from './rig/random.ts';
import { until } from './rig/until.ts';

const MODELS = ['ok-8+gap-4ms', 'ok-20+gap-1ms', 'ok-3', 'ok-8+gap-4ms+no-usage'];
const BROKEN_MAIN = join(import.meta.dirname, 'rig/broken-main.ts');

interface Verdict {
  found: string[];
  requests: number;
  uncertain: number;
  sawEnd: number;
}

/** Kills the gateway that many times under load; returns what is wrong in the end. */
async function killRepeatedly(context: Cleanups, kills: number, random: Random, broken?: string): Promise<Verdict> {
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: scriptedConfig(provider.baseUrl),
    ...(broken === undefined ? {} : { main: BROKEN_MAIN, env: { WEIGHBRIDGE_TEST_BREAK: broken } }),
  });
  t.after(() => gateway.kill().catch(() => {}));
  const sightings: Sighting[] = [];
  const found: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    await gateway.start();
    if (broken === undefined) found.push(...openOfTheDead(gateway, kill));
    await killUnderLoad(gateway, random, sightings);
  }
  await gateway.start();
  found.push(...openOfTheDead(gateway, kills));
  await gateway.stop();

  const { requests } = readJournal(provider.journalFile);
  const ledger = new LedgerReader(gateway.databaseFile);
  const entries = ledger.entries();
  found.push(...differences(requests, entries, sightings), ...ledger.inconsistencies());
  ledger.close();
  return {
    found,
    requests: requests.length,
    uncertain: entries.filter((entry) => entry.outcome === 'uncertain').length,
    sawEnd: sightings.filter((sighting) => sighting.sawEnd).length,
  };
}

function openOfTheDead(gateway: GatewayProcess, kill: number): string[] {
  const ledger = new LedgerReader(gateway.databaseFile);
  const open = ledger.openOfTheDead();
  ledger.close();
  return open === 0 ? [] : [`after kill ${kill} the ready line came with ${open} entries of the dead still open`];
}

/** Runs callers until the kill; work is in flight when it comes, or this throws. */
async function killUnderLoad(gateway: GatewayProcess, random: Random, sightings: Sighting[]): Promise<void> {
  let inFlight = 0;
  let stopped = false;
  const target = { url: gateway.url, token: gateway.token };
  const callers = Array.from({ length: quotas.crashCallers }, async () => {
    const caller = new Caller(target.url, target.token);
    while (!stopped && !caller.closed) {
      const exchange = caller.chat({ model: `scripted/${pick(random, MODELS)}`, stream: random() < 0.8 });
      inFlight += 1;
      await exchange.over;
      inFlight -= 1;
      sightings.push({ dispatchId: exchange.dispatchId, sawEnd: exchange.sawEnd });
    }
    caller.close();
  });
  await until('work is in flight', () => inFlight > 0);
  // The first calls of a process are slow; the kills lie before, among and after them.
  await sleep(between(random, 5, 500));
  assert.ok(inFlight > 0, 'nothing was in flight at the kill');
  stopped = true;
  await gateway.kill();
  await Promise.all(callers);
}

test(`after ${quotas.kills} kills every request has one entry, and who saw the end has a settled one`, async (t) => {
  console.log(`seed ${seed}`);
  const verdict = await killRepeatedly(t, quotas.kills, seeded(seed));
  console.log(
    `${verdict.requests} requests, ${verdict.sawEnd} ends seen by callers, ${verdict.uncertain} entries uncertain`,
  );
  assert.deepEqual(verdict.found, []);
  assert.ok(verdict.uncertain >= quotas.kills, 'the kills hit too little work to prove anything');
  assert.ok(verdict.sawEnd > quotas.kills, 'hardly any call ended before a kill');
});

test('control: a gateway that records only afterwards is caught', async (t) => {
  const { found } = await killRepeatedly(t, quotas.controlKills, seeded(seed + 1), 'no-intent');
  assert.ok(
    found.some((sentence) => / has 0 entries/.test(sentence)),
    `not caught: ${found.slice(0, 3)}`,
  );
});

test('control: a gateway that settles after the answer is caught', async (t) => {
  const { found } = await killRepeatedly(t, quotas.controlKills, seeded(seed + 2), 'late-settle');
  assert.ok(
    found.some((sentence) => /a caller saw the end of/.test(sentence)),
    `not caught: ${found.slice(0, 3)}`,
  );
});
