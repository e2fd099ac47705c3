/**
 * Reload on the whole program over real sockets: what is in flight keeps the provider and the price it began with, what
 * comes next has the new ones, a file that is refused changes nothing and is said, and a storm of signals loses nothing.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caller, callOnce } from './rig/caller.ts';
import { differences, type Sighting } from './rig/compare.ts';
import { cleanEnvironment, GatewayProcess, REPOSITORY, scratchDirectory } from './rig/gateway-process.ts';
import { readJournal } from './rig/journal.ts';
import { lastFirst } from './rig/last-first.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { type ScriptedProvider, startScriptedProvider } from './rig/scripted-provider.ts';
import { until } from './rig/until.ts';

const STORM = 200;

interface Standing {
  stale: boolean;
  reloads: number;
}

class House {
  readonly gateway: GatewayProcess;
  readonly file: string;
  readonly providers: ScriptedProvider[] = [];
  readonly journals: string[] = [];

  private constructor(stateDir: string) {
    this.gateway = new GatewayProcess({ stateDir, config: {} });
    this.file = `${stateDir}.config.json5`;
  }

  /** A gateway, and two providers of which the first is configured. */
  static async open(context: TestContext): Promise<House> {
    const t = lastFirst(context);
    const scratch = scratchDirectory(t);
    const house = new House(join(scratch, 'state'));
    for (const name of ['one', 'two']) {
      const journal = join(scratch, `${name}.ndjson`);
      const provider = await startScriptedProvider(journal);
      t.after(() => provider.close());
      house.providers.push(provider);
      house.journals.push(journal);
    }
    house.gateway.configure(house.config(0));
    await house.gateway.start();
    t.after(async () => void (await house.gateway.stop()));
    return house;
  }

  config(provider: number, { outputUsd = 10, ...extra }: { outputUsd?: number; [key: string]: unknown } = {}): object {
    const models = ['ok-4', 'ok-4+hold-usage'].map((id) => ({ id, cost: { input: 1, output: outputUsd } }));
    const { baseUrl } = this.providers[provider]!;
    return {
      gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
      models: { providers: { scripted: { baseUrl, api: 'openai-completions', apiKey: 'k', models } } },
      ...extra,
    };
  }

  save(config: object | string): void {
    writeFileSync(this.file, typeof config === 'string' ? config : JSON.stringify(config));
  }

  async ready(): Promise<{ status: number; config: Standing }> {
    const answer = await fetch(`${this.gateway.url}/readyz`);
    return { status: answer.status, ...((await answer.json()) as { config: Standing }) };
  }

  /** Sends the signal and waits for what becomes of it. */
  async signalled(): Promise<Standing> {
    const { reloads } = (await this.ready()).config;
    this.gateway.signal('SIGHUP');
    await until('the gateway has reloaded', async () => (await this.ready()).config.reloads > reloads);
    return (await this.ready()).config;
  }

  asked(token = this.gateway.token): Promise<Response> {
    const headers = { authorization: `Bearer ${token}` };
    return fetch(`${this.gateway.url}/api/v1/reload`, { method: 'POST', headers });
  }

  async verb(env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
    const main = join(REPOSITORY, 'packages/gateway/src/main.ts');
    const args = [main, 'reload', '--state-dir', this.gateway.stateDir, '--config', this.file];
    const child = spawn(process.execPath, args, { env: { ...cleanEnvironment(), ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += String(bytes)));
    const code = await new Promise<number>((resolve) => child.on('close', (value) => resolve(value ?? -1)));
    return { code, output };
  }

  requestsOf(provider: number): number {
    return readJournal(this.journals[provider]!).requests.length;
  }
}

test('a call in flight across a reload keeps its provider and its price, the next call has the new ones', async (t) => {
  const house = await House.open(t);
  const { gateway, providers } = house;
  const running = new Caller(gateway.url, gateway.token);
  const exchange = running.chat({ model: 'scripted/ok-4+hold-usage', stream: true });
  await exchange.when(({ text }) => text.includes('"finish_reason":"stop"'));
  house.save(house.config(1, { outputUsd: 1000 }));
  const answer = await house.asked();
  assert.equal(answer.status, 200);
  assert.deepEqual(((await answer.json()) as { changed: string[] }).changed, ['models.providers.scripted']);
  const next = await callOnce(gateway, { model: 'scripted/ok-4' });
  assert.equal(next.status, 200);
  providers[0]!.release();
  await exchange.over;
  running.close();
  assert.equal(exchange.sawEnd, true);
  assert.deepEqual([house.requestsOf(0), house.requestsOf(1)], [1, 1]);
  await gateway.stop();
  const ledger = new LedgerReader(gateway.databaseFile);
  const cost = (id: string | null) => {
    const { input, cacheRead, output, costNanoUsd } = ledger.entries().find(({ dispatchId }) => dispatchId === id)!;
    const prompt = (input! + cacheRead!) * 1000;
    return { costNanoUsd, old: prompt + output! * 10_000, now: prompt + output! * 1_000_000 };
  };
  const [before, after] = [cost(exchange.dispatchId), cost(next.dispatchId)];
  assert.equal(before.costNanoUsd, before.old);
  assert.equal(after.costNanoUsd, after.now);
  ledger.close();
});

test('a file that is refused changes nothing: calls go on, health is stale but ready, the log says why; mended, it is taken', async (t) => {
  const house = await House.open(t);
  const own = house.config(0, {
    models: { providers: { scripted: { baseUrl: house.gateway.url, api: 'openai-completions', apiKey: 'k' } } },
  });
  const refused: [string, object | string, RegExp][] = [
    ['not JSON5', '{ models: {', /syntax/],
    ['an unknown limit', house.config(1, { limits: { runsMaxx: 1 } }), /runsMax/],
    ['ourselves as provider, by the port that was really bound', own, /own address/],
  ];
  for (const [what, content, why] of refused) {
    house.save(content);
    const answer = await house.asked();
    assert.equal(answer.status, 409, what);
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'config_refused');
    assert.match(error.message, why);
    const { status, config } = await house.ready();
    assert.deepEqual([status, config.stale], [200, true], what);
    assert.equal((await callOnce(house.gateway, { model: 'scripted/ok-4' })).status, 200);
  }
  assert.equal(house.requestsOf(0), refused.length);
  assert.match(house.gateway.output, /"msg":"the configuration was not reloaded; the one before stays in force"/);
  house.save(house.config(1));
  assert.equal((await house.signalled()).stale, false);
  assert.equal((await callOnce(house.gateway, { model: 'scripted/ok-4' })).status, 200);
  assert.equal(house.requestsOf(1), 1);
});

test('a file that is away while it is saved, or half written, is waited for', async (t) => {
  const house = await House.open(t);
  renameSync(house.file, `${house.file}.old`);
  const answered = house.asked();
  await sleep(120);
  const text = JSON.stringify(house.config(1));
  house.save(text.slice(0, 100));
  await sleep(20);
  house.save(text);
  assert.equal((await answered).status, 200);
  rmSync(house.file);
  assert.equal((await house.asked()).status, 409, 'a file that is gone must not mean the built-in configuration');
  assert.equal((await callOnce(house.gateway, { model: 'scripted/ok-4' })).status, 200);
  assert.equal(house.requestsOf(1), 1);
});

test('what holds until the next start is named and kept', async (t) => {
  const house = await House.open(t);
  const endpoints = { chatCompletions: { enabled: false } };
  house.save(
    house.config(0, { gateway: { http: { endpoints } }, limits: { runsMax: 5 }, ledger: { durability: 'strict' } }),
  );
  const report = (await (await house.asked()).json()) as { changed: string[]; needsRestart: string[] };
  assert.deepEqual(report.changed, ['limits.runsMax']);
  assert.deepEqual(report.needsRestart, ['gateway.http.endpoints.chatCompletions.enabled', 'ledger.durability']);
  assert.equal((await callOnce(house.gateway, { model: 'scripted/ok-4' })).status, 200);
});

test('a token is rotated by the verb: it does not know the old one any more, so it signals', async (t) => {
  const house = await House.open(t);
  const before = house.gateway.token;
  assert.match((await house.verb()).output, /nothing changed/);
  const auth = {
    gateway: { auth: { token: 'the-new-token' }, http: { endpoints: { chatCompletions: { enabled: true } } } },
  };
  house.save(house.config(0, auth));
  const { code, output } = await house.verb();
  assert.equal(code, 0, output);
  assert.match(output, /by signal/);
  assert.deepEqual([(await house.asked(before)).status, (await house.asked('the-new-token')).status], [401, 200]);
  house.save('{');
  const refused = await house.verb();
  assert.equal(refused.code, 2, refused.output);
});

test(`${STORM} signals under load, with another provider each time, lose nothing`, async (t) => {
  const house = await House.open(t);
  const { gateway } = house;
  const sightings: Sighting[] = [];
  let isOver = false;
  const lanes = Array.from({ length: 8 }, async () => {
    const caller = new Caller(gateway.url, gateway.token);
    while (!isOver) {
      const exchange = caller.chat({ model: 'scripted/ok-4', stream: true });
      assert.equal(await exchange.over, 'complete');
      assert.equal(exchange.status, 200, exchange.text);
      sightings.push({ dispatchId: exchange.dispatchId, sawEnd: exchange.sawEnd });
    }
    caller.close();
  });
  for (let signal = 0; signal < STORM; signal++) {
    house.save(house.config(signal % 2));
    gateway.signal('SIGHUP');
    await sleep(5);
  }
  house.save(house.config(1));
  assert.equal((await house.signalled()).stale, false);
  isOver = true;
  await Promise.all(lanes);
  const reloads = (await house.ready()).config.reloads;
  assert.ok(reloads > 2 && reloads <= STORM + 1, `${reloads} reloads`);
  await gateway.stop();
  const requests = house.journals.flatMap((journal) => readJournal(journal).requests);
  const ledger = new LedgerReader(gateway.databaseFile);
  const entries = ledger.entries();
  assert.equal(entries.length, requests.length);
  assert.deepEqual([...differences(requests, entries, sightings), ...ledger.inconsistencies()], []);
  assert.ok(house.requestsOf(0) > 0 && house.requestsOf(1) > 0);
  ledger.close();
});
