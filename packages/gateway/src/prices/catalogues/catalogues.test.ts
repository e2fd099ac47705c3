/** Catalogues made into a book: against their own calculator where they have one, and where they disagree. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { makeUsage } from '@weighbridge/protocol';
import { costNanoUsd } from '../../domain/price.ts';
import { type BookFile, hashOf, readBook } from '../book.ts';
import { chooseRates, rowAt } from '../card.ts';
import { bookPin } from '../prices.ts';
import { picoUsd } from './catalogue.ts';
import { type GenaiProvider, genaiCatalogue } from './genai-prices.ts';
import { litellmCatalogue } from './litellm.ts';
import { mergeCatalogues, usdPerMillion } from './merge.ts';
import { piCatalogue } from './pi-ai.ts';
import { bookOf } from './read.ts';
import { vendorDocs } from './vendor-docs.ts';
import { VENDOR_NAMES } from './vendor-names.ts';

const from = (version: string, date: string) => ({ version, date, from: 'test', licence: 'MIT', sha256: '' });
const bookFrom = (file: BookFile) => readBook(JSON.stringify(file));
const perMillion = (usd: number) => usd / 1e6;

test('a book made of genai-prices alone gives what its own calculator gives, for every model, day, hour and size', () => {
  const known = Object.entries(VENDOR_NAMES).flatMap(([vendor, { genai }]) => {
    const provider = genai === null ? undefined : findProvider({ providerId: genai });
    return provider === undefined ? [] : [{ vendor, provider }];
  });
  const catalogue = genaiCatalogue(
    known.map(({ provider }) => provider as unknown as GenaiProvider),
    from('0', '2026-09-23'),
  );
  const book = bookFrom(mergeCatalogues([catalogue], Object.keys(VENDOR_NAMES)).book);
  const moments = ['2025-01-01T12:00:00Z', '2026-08-20T02:30:00Z', '2026-11-20T07:00:00Z', '2026-11-20T20:00:00Z'];
  let compared = 0;
  for (const { vendor, provider } of known) {
    for (const model of book.models(vendor)) {
      for (const [index, at] of moments.entries()) {
        const startedAt = Date.parse(at);
        const size = [1000, 199_000, 271_000, 900_000][index]!;
        const entry = book.find(vendor, model)!;
        const row = rowAt(entry.rows, startedAt)!;
        // Embeddings have no output, and theirs prices what cannot be at 0.
        const output = row.standard.rates.output === undefined ? 0 : 777;
        const usage = makeUsage({ input: size, output, cacheRead: 1000, cacheWrite: 13, reasoning: 0 });
        const pin = bookPin({ source: 'book', book }, entry, row, chooseRates(row, null, size + 1013)!);
        const cost = costNanoUsd(usage, pin.rates)!;
        const theirs = calcPrice(
          { input_tokens: size + 1013, output_tokens: output, cache_read_tokens: 1000, cache_write_tokens: 13 },
          model,
          { provider, timestamp: new Date(startedAt) },
        )!.total_price;
        const isNear = Math.abs(Number(cost) - theirs * 1e9) <= 1 + theirs;
        assert.ok(isNear, `${vendor}/${model} at ${at}: ${cost} nano-USD, they say ${theirs} USD`);
        compared++;
      }
    }
  }
  assert.ok(compared > 4000, `only ${compared} were compared`);
});

const PI = piCatalogue(
  {
    providers: {
      openai: {
        agreed: { type: 'chat', cost_per_mtok_usd: { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 0 } },
        changed: { type: 'chat', cost_per_mtok_usd: { input: 4, output: 20, cacheRead: 0, cacheWrite: 0 } },
        unknown: { type: 'chat', cost_per_mtok_usd: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } },
      },
      anthropic: {
        claude: { type: 'chat', cost_per_mtok_usd: { input: 8, output: 40, cacheRead: 0.2, cacheWrite: 10 } },
      },
    },
  },
  from('1.5.2', '2026-11-10'),
);
const LITELLM = litellmCatalogue(
  {
    agreed: litellm({
      input_cost_per_token: perMillion(1),
      output_cost_per_token: perMillion(2),
      cache_read_input_token_cost: perMillion(0.1),
      input_cost_per_token_flex: perMillion(0.5),
      output_cost_per_token_flex: perMillion(1),
      input_cost_per_token_batches: perMillion(0.5),
      input_cost_per_token_above_272k_tokens: perMillion(9),
    }),
    changed: litellm({
      input_cost_per_token: perMillion(5),
      output_cost_per_token: perMillion(30),
      input_cost_per_token_flex: perMillion(2.5),
      output_cost_per_token_flex: perMillion(15),
    }),
    sized: litellm({
      input_cost_per_token: 0.1 * 2.75e-6,
      output_cost_per_token: perMillion(2),
      input_cost_per_token_above_200k_tokens: perMillion(3),
      input_cost_per_token_priority: perMillion(4),
      output_cost_per_token_priority: perMillion(5),
      input_cost_per_token_above_200k_tokens_priority: perMillion(6),
    }),
    dall: litellm({ input_cost_per_token: perMillion(1), output_cost_per_image: 0.04 }),
    sample_spec: { litellm_provider: 'one of …', mode: 'one of: chat', input_cost_per_token: 0 },
  },
  from('2026-08-01', '2026-08-01'),
);

function litellm(prices: Record<string, number>): Record<string, unknown> {
  return { litellm_provider: 'openai', mode: 'chat', ...prices };
}

const merged = mergeCatalogues([PI, LITELLM], ['openai', 'anthropic']);
const book = bookFrom(merged.book);
const rowsOf = (model: string, vendor = 'openai') => book.find(vendor, model)?.rows ?? [];

test('a catalogue further down adds tiers of service where it agrees on the plain rates, and nothing where it does not', () => {
  const [agreed] = rowsOf('agreed');
  assert.deepEqual(agreed?.tiers.flex?.rates, { input: 500_000n, output: 1_000_000n });
  assert.equal(agreed?.also.flex, 'litellm');
  assert.equal(agreed?.by, 'pi-ai');
  assert.deepEqual(rowsOf('changed')[0]?.tiers, {});
});

test('fast mode and a place are every rate of tokens times a factor, and a search has a price where each costs the same', () => {
  const opus = litellm({
    input_cost_per_token: perMillion(5),
    output_cost_per_token: perMillion(25),
    cache_read_input_token_cost: perMillion(0.5),
  });
  const each = { search_context_size_low: 0.01, search_context_size_medium: 0.01, search_context_size_high: 0.01 };
  const known = litellmCatalogue(
    {
      opus: {
        ...opus,
        litellm_provider: 'anthropic',
        provider_specific_entry: { fast: 6, us: 1.1 },
        search_context_cost_per_query: each,
      },
      gpt: { ...opus, search_context_cost_per_query: { ...each, search_context_size_high: 0.05 } },
    },
    from('2026-08-01', '2026-08-01'),
  );
  const vendors = bookFrom(mergeCatalogues([known, vendorDocs()], ['anthropic', 'openai']).book);
  const [row] = vendors.find('anthropic', 'opus')!.rows;
  assert.deepEqual(row?.standard.rates['tool.web_search'], 10_000_000_000n);
  assert.deepEqual(row?.tiers.fast?.rates, {
    input: 30_000_000n,
    output: 150_000_000n,
    cacheRead: 3_000_000n,
    'tool.web_search': 10_000_000_000n,
    'tool.web_fetch': 0n,
  });
  assert.equal(row?.also['tool.web_fetch'], 'vendor-docs');
  // Anthropic's price of running in the US: a tenth more for tokens, in every tier, nothing more for tools.
  assert.deepEqual(row?.tiers['us-inference']?.rates, {
    input: 5_500_000n,
    output: 27_500_000n,
    cacheRead: 550_000n,
    'tool.web_search': 10_000_000_000n,
    'tool.web_fetch': 0n,
  });
  assert.deepEqual(row?.tiers['fast+us-inference']?.rates.output, 165_000_000n);
  assert.equal(row?.also['us-inference'], 'vendor-docs');
  assert.deepEqual(vendors.find('openai', 'gpt')?.rows[0]?.tiers, {});
  assert.equal(vendors.find('openai', 'gpt')?.rows[0]?.standard.rates['tool.web_search'], undefined);
});

test('half a price, a price of 0 and a model billed by images are no prices', () => {
  assert.equal(rowsOf('agreed')[0]?.tiers.batch, undefined);
  assert.deepEqual(rowsOf('unknown'), []);
  assert.deepEqual(rowsOf('dall'), []);
  assert.ok(merged.leftOut.includes('pi-ai: openai/unknown: no price'));
  assert.ok(merged.leftOut.includes('litellm: openai/dall: billed by output_cost_per_image too'));
});

test('an old catalogue’s larger prompts are not put on a price that a newer one lists without', () => {
  assert.deepEqual(rowsOf('agreed')[0]?.standard.larger, []);
  assert.deepEqual(rowsOf('sized')[0]?.standard.larger, [
    { above: 200_000, rates: { input: 3_000_000n, output: 2_000_000n } },
  ]);
  assert.deepEqual(rowsOf('sized')[0]?.tiers.priority?.larger[0]?.rates.input, 6_000_000n);
});

test('a cache’s 0 is "not known", and pi-ai’s one-hour write is twice the input by its own rule', () => {
  assert.equal(rowsOf('agreed')[0]?.standard.rates.cacheWrite, undefined);
  assert.equal(rowsOf('claude', 'anthropic')[0]?.standard.rates.cacheWrite1h, 16_000_000n);
});

test('where they disagree it is reported, the chosen one first', () => {
  assert.deepEqual(
    merged.conflicts.filter(({ about }) => about === 'input'),
    [
      {
        vendor: 'openai',
        model: 'changed',
        about: 'input',
        values: [
          ['pi-ai', '4'],
          ['litellm', '5'],
        ],
      },
    ],
  );
});

test('a dated price stays in force before the day of a newer catalogue that knows no dates', () => {
  const genai = genaiCatalogue(
    [
      {
        id: 'openai',
        models: [
          {
            id: 'changed',
            match: { equals: 'changed' },
            prices: [
              { prices: { input_mtok: 5, output_mtok: 30 } },
              { constraint: { start_date: '2026-08-21' }, prices: { input_mtok: 4.5, output_mtok: 25 } },
            ],
          },
        ],
      },
    ],
    from('0.1.8', '2026-09-23'),
  );
  const { rows } = bookFrom(mergeCatalogues([PI, genai], ['openai']).book).find('openai', 'changed')!;
  assert.deepEqual(
    rows.map(({ validFrom, by, standard }) => [validFrom, by, standard.rates.input]),
    [
      [null, 'genai-prices', 5_000_000n],
      ['2026-08-21', 'genai-prices', 4_500_000n],
      ['2026-11-10', 'pi-ai', 4_000_000n],
    ],
  );
});

test('larger prompts that a catalogue has taken back are not put on the price that holds now', () => {
  const flat = { input_mtok: 1, output_mtok: 2 };
  const sized = { base: 1, tiers: [{ start: 200_000, price: 2 }] };
  const genai = genaiCatalogue(
    [
      {
        id: 'openai',
        models: [
          {
            id: 'agreed',
            match: { equals: 'agreed' },
            prices: [
              { prices: { ...flat, input_mtok: sized } },
              { constraint: { start_date: '2026-03-13' }, prices: flat },
            ],
          },
        ],
      },
    ],
    from('0.1.8', '2026-09-23'),
  );
  const { rows } = bookFrom(mergeCatalogues([PI, genai], ['openai']).book).find('openai', 'agreed')!;
  assert.deepEqual(
    rows.map(({ validFrom, standard }) => [validFrom, standard.larger.length]),
    [
      [null, 1],
      ['2026-03-13', 0],
    ],
  );
});

test('a price in floating point is the decimal that was meant, and what is finer than a pico-USD is none', () => {
  assert.equal(rowsOf('sized')[0]?.standard.rates.input, 275_000n);
  assert.equal(picoUsd(0.1 + 0.2, 1e6), 300_000n);
  assert.equal(picoUsd(1.5e-13, 1), null);
  assert.equal(picoUsd(-1, 1), null);
  assert.equal(usdPerMillion(275_000n), '0.275');
  assert.equal(usdPerMillion(30_000_000n), '30');
});

test('a file is told by what stands in it, and one that is no catalogue is refused', () => {
  const brought = { name: 'file', version: '1', date: '2026-11-01', licence: 'MIT' };
  const price = { type: 'chat', cost_per_mtok_usd: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 } };
  const pi = JSON.stringify({ providers: { openai: { m: price } } });
  assert.deepEqual(Object.keys(bookOf(pi, brought).book.models.openai!), ['m']);
  const map = JSON.stringify({ m: litellm({ input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }) });
  assert.equal(bookOf(map, brought).book.models.openai?.m, 0);
  // What the vendor's pages add has its day and its page there too, and makes the file no younger.
  const { book } = bookOf(pi.replace('openai', 'anthropic'), brought);
  const [row] = readBook(JSON.stringify(book)).find('anthropic', 'm')!.rows;
  assert.deepEqual([row?.also['us-inference'], row?.also['tool.web_fetch']], ['vendor-docs', 'vendor-docs']);
  assert.deepEqual(book.sources['vendor-docs'], vendorDocs().source);
  assert.equal(book.date, brought.date);
  const own = JSON.stringify(merged.book);
  assert.equal(bookOf(own, brought).book.hash, merged.book.hash);
  for (const text of ['{}', '{"a":1}', 'null', '"x"']) assert.throws(() => bookOf(text, brought), /no catalogue/);
  for (const text of ['[]', '{"providers":{}}']) assert.throws(() => bookOf(text, brought), /no price/);
  assert.throws(() => bookOf(own.replace('1000000', '1000001'), brought), /hash/);
  const { hash: _hash, format, ...content } = structuredClone(merged.book);
  content.models.openai!.agreed = 99;
  assert.throws(() => bookOf(JSON.stringify({ format, hash: hashOf(content), ...content }), brought));
});
