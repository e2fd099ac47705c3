/**
 * Promise P1 on PostgreSQL with two gateways: under constant load either is killed or stands still for longer than its
 * lease, or the server is restarted or killed; at the end the one ledger is compared with what the provider wrote down and what callers saw. With
 * commits that do not wait for the disk the same comparison finds what a server's crash lost.
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
import { PostgresServer, runOn } from './rig/postgres-server.ts';
import { startProviderProcess } from './rig/provider-process.ts';
import { between, pick, type Random, seeded } from './rig/random.ts';
import { until } from './rig/until.ts';

const MODELS = ['ok-8+gap-4ms', 'ok-20+gap-1ms', 'ok-3', 'ok-8+gap-4ms+no-usage'];
const TOKEN = 'a-token-that-both-gateways-take';
const LEASE_MS = 1_500;

type Fault = 'kill a gateway' | 'stall a gateway' | 'restart the server' | 'kill the server';

interface House {
  url: string;
  server: PostgresServer;
  gateways: GatewayProcess[];
  journalFile: string;
}

async function house(context: Cleanups, durability: string): Promise<House> {
  const t = lastFirst(context);
  const scratch = scratchDirectory(t);
  const server = await PostgresServer.start();
  t.after(() => server.end());
  const provider = await startProviderProcess(join(scratch, 'journal.ndjson'));
  t.after(() => provider.end());
  const url = await server.createDatabase();
  const config = scriptedConfig(provider.baseUrl, {
    ledger: { durability, instanceLeaseMs: LEASE_MS, holdMs: 20_000 },
  });
  const gateways = ['a', 'b'].map(
    (name) =>
      new GatewayProcess({
        stateDir: join(scratch, name),
        config,
        env: { WEIGHBRIDGE_DATABASE_URL: url, WEIGHBRIDGE_TOKEN: TOKEN },
      }),
  );
  for (const gateway of gateways) t.after(() => gateway.kill().catch(() => {}));
  return { url, server, gateways, journalFile: provider.journalFile };
}

/** Callers that keep both gateways busy until told to stop; each starts over when its gateway is gone. */
class Callers {
  readonly sightings: Sighting[] = [];
  inFlight = 0;
  #stopped = false;
  readonly #all: Promise<void>[];

  constructor(gateways: readonly GatewayProcess[], random: Random) {
    this.#all = Array.from({ length: quotas.crashCallers }, (_, i) =>
      this.#call(gateways[i % gateways.length]!, random),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#all);
  }

  async #call(gateway: GatewayProcess, random: Random): Promise<void> {
    while (!this.#stopped) {
      const caller = new Caller(gateway.url, TOKEN);
      while (!this.#stopped && !caller.closed) {
        const exchange = caller.chat({ model: `scripted/${pick(random, MODELS)}`, stream: random() < 0.8 });
        this.inFlight += 1;
        await exchange.over;
        this.inFlight -= 1;
        this.sightings.push({ dispatchId: exchange.dispatchId, sawEnd: exchange.sawEnd });
        if (exchange.status === 503) await sleep(20);
      }
      caller.close();
      await sleep(10);
    }
  }
}

async function inflict(fault: Fault, { server, gateways }: House, random: Random): Promise<void> {
  if (fault === 'restart the server') return server.restart('fast');
  if (fault === 'kill the server') return server.restart('immediate');
  const gateway = pick(random, gateways);
  if (fault === 'stall a gateway') return stall(gateway);
  await gateway.kill();
  await gateway.start();
}

/** As a machine without processor time does it: the other takes it for dead, and it knows nothing of that. */
async function stall(gateway: GatewayProcess): Promise<void> {
  gateway.signal('SIGSTOP');
  await sleep(2 * LEASE_MS);
  gateway.signal('SIGCONT');
}

async function openEntries(url: string): Promise<number> {
  const [row] = await runOn<{ n: string }>(url, 'select count(*) as n from entries where outcome is null');
  return Number(row!.n);
}

/** Gives what is wrong in the end. */
async function faultsUnderLoad(
  context: Cleanups,
  faults: readonly Fault[],
  random: Random,
  durability = 'power',
): Promise<{ found: string[]; requests: number; uncertain: number; sawEnd: number }> {
  const all = await house(context, durability);
  for (const gateway of all.gateways) await gateway.start();
  const callers = new Callers(all.gateways, random);
  // Also when something fails: callers that go on for ever would keep the file from ending.
  context.after(() => callers.stop());
  for (const fault of faults) {
    const before = callers.sightings.filter(({ sawEnd }) => sawEnd).length;
    await until(
      'calls are answered',
      () => callers.sightings.filter(({ sawEnd }) => sawEnd).length > before + 10,
      30_000,
    );
    await sleep(between(random, 5, 250));
    assert.ok(callers.inFlight > 0, `nothing was in flight when I was to ${fault}`);
    await inflict(fault, all, random);
  }
  await callers.stop();
  if (durability !== 'process') {
    await until('the dead ones’ entries are recovered', async () => (await openEntries(all.url)) === 0, 30_000);
  }
  for (const gateway of all.gateways) await gateway.stop();

  const { requests } = readJournal(all.journalFile);
  const ledger = await LedgerReader.ofServer(all.url);
  const entries = ledger.entries();
  const found = [...differences(requests, entries, callers.sightings), ...ledger.inconsistencies()];
  ledger.close();
  return {
    found,
    requests: requests.length,
    uncertain: entries.filter((entry) => entry.outcome === 'uncertain').length,
    sawEnd: callers.sightings.filter((sighting) => sighting.sawEnd).length,
  };
}

test(`two gateways on PostgreSQL: after ${quotas.sharedKills} faults every request has one entry, and who saw the end has a settled one`, async (t) => {
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const kinds: Fault[] = [
    'kill a gateway',
    'stall a gateway',
    'restart the server',
    'kill a gateway',
    'kill the server',
  ];
  const faults = Array.from({ length: quotas.sharedKills }, (_, i) => kinds[i % kinds.length]!);
  const verdict = await faultsUnderLoad(t, faults, random);
  console.log(
    `${verdict.requests} requests, ${verdict.sawEnd} ends seen by callers, ${verdict.uncertain} entries uncertain`,
  );
  assert.deepEqual(verdict.found, []);
  assert.ok(verdict.uncertain >= quotas.sharedKills / 4, 'the kills hit too little work to prove anything');
  assert.ok(verdict.sawEnd > quotas.sharedKills * 10, 'hardly any call ended between the faults');
});

test('control: where commits do not wait for the disk, a crash of the server is found to lose what callers saw', async (t) => {
  const { found } = await faultsUnderLoad(
    t,
    ['kill the server', 'kill the server', 'kill the server'],
    seeded(seed + 1),
    'process',
  );
  assert.ok(
    found.some((sentence) => /a caller saw the end of/.test(sentence)),
    `not caught: ${found.slice(0, 3)}`,
  );
});
