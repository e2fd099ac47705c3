/** What a reload takes over, what it keeps, and what it calls changed: against the table of options. Real files. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LoadedConfig, loadConfig } from './load.ts';
import { OPTIONS, type Option } from './options.ts';
import { loadAgain } from './reload.ts';
import { Reloads } from './reloads.ts';

const TOKEN = { gateway: { auth: { token: 'a' } } };

class File {
  readonly #folder: string;
  readonly path: string;

  constructor(t: TestContext) {
    this.#folder = mkdtempSync(join(tmpdir(), 'weighbridge-'));
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }));
    this.path = join(this.#folder, 'c.json5');
  }

  get request() {
    return { flags: { config: this.path }, variables: { WEIGHBRIDGE_STATE_DIR: this.#folder } };
  }

  save(content: object): void {
    writeFileSync(this.path, JSON.stringify(content));
  }

  load(content: object): Promise<LoadedConfig> {
    this.save(content);
    return loadConfig(this.request);
  }
}

/** A tree with another value than the default at each path of the table that takes one and is given in `paths`. */
function otherValues(paths: readonly [string, Option][]): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [path, option] of paths) {
    const value = otherValue(option);
    if (value === undefined || /[*[]/.test(path)) continue;
    const names = path.split('.');
    let at = tree;
    for (const name of names.slice(0, -1)) {
      at[name] ??= {};
      at = at[name] as Record<string, unknown>;
    }
    at[names.at(-1)!] = value;
  }
  return tree;
}

function otherValue(option: Option): unknown {
  if (option.kind === 'boolean') return !option.default;
  if (option.kind === 'integer')
    return option.default === option.min ? option.min + 1 : (option.default ?? option.min) - 1;
  return undefined;
}

test('every number and switch of the table is swapped by a reload, or kept and named: none is half in force', async (t) => {
  const file = new File(t);
  const before = await file.load(TOKEN);
  const all = Object.entries(OPTIONS) as [string, Option][];
  const auth = otherValues(all) as { gateway: { auth: object } };
  file.save({ ...auth, gateway: { ...auth.gateway, auth: { ...auth.gateway.auth, token: 'a' } } });
  const { loaded, changed, needsRestart } = await loadAgain(file.request, before);
  const fresh = await loadConfig(file.request);
  const given = all.filter(([path, option]) => !/[*[]/.test(path) && otherValue(option) !== undefined);
  // The time limits of providers are theirs: a provider with others is another provider.
  const options = changed.filter((path) => !path.startsWith('models.providers.'));
  assert.deepEqual(
    options.sort(),
    given
      .filter(([, { needsRestart: waits }]) => !waits)
      .map(([path]) => path)
      .sort(),
  );
  assert.deepEqual(
    needsRestart.sort(),
    given
      .filter(([, { needsRestart: waits }]) => waits)
      .map(([path]) => path)
      .sort(),
  );
  // What is in force is, leaf by leaf, the old configuration's or the new one's; and all that waits is the old one's.
  const { headTimeoutMs, requestTimeoutMs, ...limits } = fresh.config.limits;
  assert.deepEqual(loaded.config.limits, { ...limits, headTimeoutMs: 15_000, requestTimeoutMs: 60_000 });
  assert.notEqual(headTimeoutMs + requestTimeoutMs, 75_000);
  assert.deepEqual(loaded.config.metering, fresh.config.metering);
  assert.deepEqual(loaded.config.auth.rateLimit, fresh.config.auth.rateLimit);
  assert.deepEqual(loaded.config.ledger, before.config.ledger);
  assert.deepEqual(loaded.config.endpoints, before.config.endpoints);
  assert.equal(loaded.config.port, before.config.port);
});

test('another token, key or price is a change although all secrets print alike', async (t) => {
  const file = new File(t);
  const providers = (apiKey: string, output: number) => ({
    models: {
      providers: {
        own: {
          baseUrl: 'http://x.example/v1',
          api: 'openai-completions',
          apiKey,
          models: [{ id: 'm', cost: { input: 1, output } }],
        },
      },
    },
  });
  const before = await file.load({ ...TOKEN, ...providers('k', 1) });
  const changedBy = async (content: object): Promise<string[]> => {
    file.save(content);
    return (await loadAgain(file.request, before)).changed;
  };
  assert.deepEqual(await changedBy({ ...TOKEN, ...providers('k', 1) }), []);
  assert.deepEqual(await changedBy({ ...TOKEN, ...providers('other', 1) }), ['models.providers.own']);
  assert.deepEqual(await changedBy({ ...TOKEN, ...providers('k', 2) }), ['models.providers.own']);
  assert.deepEqual(await changedBy({ gateway: { auth: { token: 'b' } }, ...providers('k', 1) }), [
    'gateway.auth.token',
  ]);
});

test('a gateway whose token’s file is gone keeps the token it has', async (t) => {
  const file = new File(t);
  const before = await file.load(TOKEN);
  file.save({});
  await assert.rejects(loadAgain(file.request, before), /gateway\.auth\.token: is there no more/);
});

test('whoever asks while a reload is under way shares the next one, which has their change', async (t) => {
  const file = new File(t);
  const loaded = await file.load(TOKEN);
  const seen: number[] = [];
  const reloads = new Reloads({
    origin: { loaded, request: file.request },
    swap: ({ config }) => seen.push(config.limits.runsMax),
    clock: { now: () => 0 },
    onReloaded: () => {},
    onRefused: (reason) => assert.fail(reason),
  });
  const asked = [reloads.reload()];
  for (let index = 0; index < 50; index++) asked.push(reloads.reload());
  await asked[0];
  file.save({ ...TOKEN, limits: { runsMax: 7 } });
  await Promise.all(asked);
  assert.equal(seen.length, 2);
  file.save({ ...TOKEN, limits: { runsMax: 8 } });
  await reloads.reload();
  assert.equal(seen.at(-1), 8);
  assert.deepEqual(reloads.view, { loadedAt: new Date(0).toISOString(), stale: false, reloads: 3 });
});
