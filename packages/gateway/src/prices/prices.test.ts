/** Which price holds for a dispatch: whose word counts, when, for how large a prompt, in which tier of service. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { makeUsage, type Usage } from '@weighbridge/protocol';
import { VENDORS } from '../config/vendors.ts';
import { costNanoUsd, pin } from '../domain/price.ts';
import { BOOK_FORMAT, type BookFile, type FileRow, hashOf, readBook } from './book.ts';
import { VENDOR_NAMES } from './catalogues/vendor-names.ts';
import { type PriceQuestion, Prices } from './prices.ts';

const NOON = Date.parse('2026-11-20T12:00:00Z');
const SNAPSHOT = new URL('./snapshot.json', import.meta.url);
const OPENAI = { models: [], vendor: 'openai' };

const question = (over: Partial<PriceQuestion> = {}): PriceQuestion => ({
  provider: OPENAI,
  model: 'm',
  servedModel: null,
  startedAt: NOON,
  usage: makeUsage({ input: 1000, output: 100 }),
  serviceTier: null,
  ...over,
});

function bookWith(models: Record<string, FileRow[]>, more: Partial<BookFile> = {}): string {
  const content = {
    date: '2026-11-01',
    sources: { litellm: { version: '7', date: '2026-11-01', from: 'test', licence: 'MIT', sha256: '' } },
    rows: Object.values(models),
    models: { openai: Object.fromEntries(Object.keys(models).map((name, index) => [name, index])) },
    dated: {},
    ...more,
  };
  return JSON.stringify({ format: BOOK_FORMAT, hash: hashOf(content), ...content });
}

/** Prices over a book made for a test. */
function pricesOf(
  t: { after(done: () => void): void },
  models: Record<string, FileRow[]>,
  more: Partial<BookFile> = {},
  report: (message: string) => void = assert.fail,
) {
  const folder = mkdtempSync(join(tmpdir(), 'prices-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'book.json');
  writeFileSync(file, bookWith(models, more));
  return new Prices({ importedFile: null, snapshotFile: pathToFileURL(file), report });
}

const costOf = (prices: Prices, over: Partial<PriceQuestion> & { usage: Usage }): bigint | null => {
  const found = prices.pin(question(over));
  return found === null ? null : costNanoUsd(over.usage, found.rates);
};

test('a prompt above a threshold re-prices the whole request, cached tokens included, and one at it does not', (t) => {
  const prices = pricesOf(t, {
    m: [{ rates: [1000, 2000, 100], larger: [[200_000, [2000, 3000, 200]]], by: 'litellm' }],
  });
  const at = makeUsage({ input: 150_000, cacheRead: 50_000, output: 10 });
  assert.equal(costOf(prices, { usage: at }), (150_000n * 1000n + 50_000n * 100n + 10n * 2000n) / 1000n);
  const above = makeUsage({ input: 150_001, cacheRead: 50_000, output: 10 });
  assert.equal(costOf(prices, { usage: above }), (150_001n * 2000n + 50_000n * 200n + 10n * 3000n) / 1000n);
  assert.equal(prices.pin(question({ usage: above }))?.basis?.promptAbove, 200_000);
});

test('the row that held when the dispatch began is its price, to the day and to the hour', (t) => {
  const prices = pricesOf(t, {
    m: [
      { rates: [1000, 1000], by: 'litellm' },
      { from: '2026-08-17', rates: [3000, 3000], by: 'litellm' },
      { hours: [3600, 14_400], rates: [6000, 6000], by: 'litellm' },
    ],
    later: [{ from: '2026-12-01', rates: [1000, 1000], by: 'litellm' }],
  });
  const at = (iso: string) => prices.pin(question({ startedAt: Date.parse(iso) }))?.rates.input;
  assert.equal(at('2026-08-16T23:59:59.999Z'), 1000n);
  assert.equal(at('2026-08-17T00:00:00Z'), 3000n);
  assert.equal(at('2026-11-20T00:59:59.999Z'), 3000n);
  assert.equal(at('2026-11-20T01:00:00Z'), 6000n);
  assert.equal(at('2026-11-20T04:00:00Z'), 3000n);
  assert.equal(prices.pin(question({ model: 'later' })), null);
});

test('a tier of service has its own rates or no price at all, and the standard one has many names', (t) => {
  const prices = pricesOf(t, {
    m: [
      {
        rates: [1000, 2000],
        larger: [[272_000, [2000, 3000]]],
        tiers: { flex: { rates: [500, 1000] } },
        by: 'pi-ai',
        also: { flex: 'litellm' },
      },
    ],
  });
  for (const serviceTier of [null, 'default', 'standard', 'auto', 'on_demand', 'Standard']) {
    assert.equal(prices.pin(question({ serviceTier }))?.rates.input, 1000n, String(serviceTier));
  }
  const flex = prices.pin(question({ serviceTier: 'flex' }));
  assert.equal(flex?.rates.input, 500n);
  assert.equal(flex?.basis?.serviceTier, 'flex');
  assert.equal(flex?.basis?.published.input, 'litellm 7');
  assert.equal(prices.pin(question({ serviceTier: 'priority' })), null);
  // What flex charges for a prompt of this size nobody published.
  assert.equal(prices.pin(question({ serviceTier: 'flex', usage: makeUsage({ input: 272_001 }) })), null);
});

test('the config’s price wins over every book, and one that was not understood is not replaced by a guess', (t) => {
  const prices = pricesOf(t, { m: [{ rates: [1000, 2000], by: 'litellm' }] });
  const own = pin('config', { input: 5n, output: 5n });
  const model = { id: 'm', name: null, contextWindow: null, maxTokens: null, price: own, hasOwnCost: true };
  const asked = (over: object) => prices.pin(question({ provider: { ...OPENAI, models: [{ ...model, ...over }] } }));
  assert.equal(asked({}), own);
  assert.equal(asked({ price: null }), null);
  assert.equal(asked({ price: null, hasOwnCost: false })?.source, 'book');
  const alias = { ...question({ model: 'alias', servedModel: 'm' }), provider: { ...OPENAI, models: [model] } };
  assert.equal(prices.pin(alias), own);
});

test('who served it is priced where the book knows that model, else the model that was asked for', (t) => {
  const prices = pricesOf(
    t,
    { m: [{ rates: [1000, 2000], by: 'litellm' }], other: [{ rates: [7000, 8000], by: 'litellm' }] },
    { dated: { openai: ['m'] } },
  );
  const served = (servedModel: string | null, model = 'm') => prices.pin(question({ model, servedModel }))?.rates.input;
  assert.equal(served('other'), 7000n);
  assert.equal(served('OTHER'), 7000n);
  assert.equal(served('somebody-elses'), 1000n);
  assert.equal(served('m-2026-03-05', 'alias'), 1000n);
  assert.equal(served('m-20260305', 'alias'), 1000n);
  // Nobody says that the snapshots of this one cost the same.
  assert.equal(served('other-2026-03-05', 'alias'), undefined);
});

test('a vendor or a model that no book knows has no price', (t) => {
  const prices = pricesOf(t, { m: [{ rates: [1000, 2000], by: 'litellm' }] });
  for (const model of ['x', '', 'constructor', '__proto__', 'toString'])
    assert.equal(prices.pin(question({ model })), null);
  assert.equal(prices.pin(question({ provider: { models: [], vendor: null } })), null);
  assert.equal(prices.pin(question({ provider: { models: [], vendor: 'constructor' } })), null);
});

test('a cached token without a rate of its own is an input token, but a one-hour write is never guessed', (t) => {
  const prices = pricesOf(t, {
    m: [{ rates: [1000, 2000], by: 'litellm' }],
    writes: [{ rates: [1000, 2000, 100, 1250], by: 'litellm' }],
  });
  assert.equal(costOf(prices, { usage: makeUsage({ input: 1, cacheRead: 1, cacheWrite: 1, cacheWrite1h: 1 }) }), 4n);
  assert.match(prices.pin(question())?.basis?.published.cacheRead ?? '', /as input/);
  assert.equal(costOf(prices, { model: 'writes', usage: makeUsage({ input: 1, cacheWrite1h: 1 }) }), null);
});

test('an imported book wins over the snapshot, and one that is broken leaves the last good one in force', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prices-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const importedFile = join(folder, 'prices.json');
  const reported: string[] = [];
  const open = () => new Prices({ importedFile, report: (message) => reported.push(message) });
  const gpt5 = question({ model: 'gpt-5' });
  assert.equal(open().pin(gpt5)?.source, 'book');
  writeFileSync(importedFile, bookWith({ 'gpt-5': [{ rates: [42, 43], by: 'litellm' }] }));
  const prices = open();
  assert.deepEqual([prices.pin(gpt5)?.source, prices.pin(gpt5)?.rates.input], ['import', 42n]);
  assert.equal(prices.pin(question({ model: 'gpt-5-mini' }))?.source, 'book');
  writeFileSync(importedFile, bookWith({ 'gpt-5': [{ rates: [42, 43], by: 'litellm' }] }).replace('42', '41'));
  assert.equal(open().pin(gpt5)?.source, 'book');
  assert.match(reported[0] ?? '', /not used.*hash/);
});

test('a book whose rows are broken leaves a dispatch unpriced, and keeps nobody from settling it', (t) => {
  const reported: string[] = [];
  const broken = { rates: null as never, by: 'litellm' };
  const prices = pricesOf(t, { m: [broken] }, {}, (text) => reported.push(text));
  assert.equal(prices.pin(question()), null);
  assert.match(reported[0] ?? '', /the price of m was not found/);
});

test('a snapshot that cannot be read leaves dispatches unpriced, and is told of once', () => {
  const reported: string[] = [];
  const snapshotFile = new URL('./no-such-snapshot.json', import.meta.url);
  const prices = new Prices({
    importedFile: '/dev/null/prices.json',
    snapshotFile,
    report: (text) => reported.push(text),
  });
  assert.equal(prices.pin(question({ model: 'gpt-5' })), null);
  assert.equal(prices.pin(question({ model: 'gpt-5' })), null);
  assert.equal(reported.length, 1);
});

test('the snapshot that comes along has the hash that it names, is small, and knows every known vendor', () => {
  const book = readBook(readFileSync(SNAPSHOT, 'utf8'));
  assert.match(book.hash, /^[0-9a-f]{64}$/);
  assert.ok(statSync(SNAPSHOT).size < 300_000);
  for (const { id } of VENDORS) {
    assert.ok(VENDOR_NAMES[id], `${id} has no row in vendor-names.ts`);
    // NVIDIA's hosted models are tried for nothing; no catalogue has a price.
    if (id !== 'nvidia') assert.ok(book.models(id).length > 0, `the snapshot has no model of ${id}`);
  }
});

test('no price of the snapshot is out of all proportion, and none is 0 but where that is said', () => {
  const book = readBook(readFileSync(SNAPSHOT, 'utf8'));
  const strange: string[] = [];
  for (const vendor of book.vendors()) {
    for (const model of book.models(vendor)) {
      const { rows } = book.find(vendor, model)!;
      for (const { standard, tiers } of rows) {
        for (const { rates, larger } of [standard, ...Object.values(tiers)]) {
          const { input = 0n, output = 0n, cacheRead = 0n, cacheWrite1h = 0n, cacheWrite = 0n } = rates;
          const isFree = input === 0n && output === 0n;
          if (isFree && !model.endsWith(':free')) strange.push(`${vendor}/${model} is free`);
          // USD 1000 for 1M tokens: twice the dearest that was ever sold.
          if (input > 1_000_000_000n || output > 1_000_000_000n) strange.push(`${vendor}/${model} is very dear`);
          if (cacheRead > input || (cacheWrite1h > 0n && cacheWrite1h < cacheWrite))
            strange.push(`${vendor}/${model}: cache`);
          const sizes = larger.map(({ above }) => above);
          if (sizes.some((above, index) => above < 1000 || above <= (sizes[index - 1] ?? 0)))
            strange.push(`${vendor}/${model}: sizes`);
        }
      }
    }
  }
  assert.deepEqual(strange, []);
});

test('models that everybody uses have the price that their vendors publish', () => {
  const prices = new Prices({ importedFile: null });
  const rates = (vendor: string, model: string) =>
    prices.pin(question({ provider: { models: [], vendor }, model }))?.rates;
  const gpt5 = rates('openai', 'gpt-5');
  assert.deepEqual([gpt5?.input, gpt5?.output, gpt5?.cacheRead], [1_250_000n, 10_000_000n, 125_000n]);
  const opus = rates('anthropic', 'claude-opus-4-5-20251101');
  assert.deepEqual(
    [opus?.input, opus?.output, opus?.cacheRead, opus?.cacheWrite, opus?.cacheWrite1h],
    [5_000_000n, 25_000_000n, 500_000n, 6_250_000n, 10_000_000n],
  );
  assert.equal(opus?.['tool.web_search'], 10_000_000_000n);
  const gemini = rates('google', 'gemini-2.5-flash');
  assert.deepEqual([gemini?.input, gemini?.audioInput], [300_000n, 1_000_000n]);
});
