/**
 * Builds the price snapshot that comes with the package, and the report of what its catalogues disagree about. The
 * catalogues are the npm package `@pydantic/genai-prices` and two files or addresses given as arguments:
 *
 *   node scripts/update-prices.ts --pi-ai FILE|URL --pi-ai-version 1.5.2 --pi-ai-date 2026-11-10
 *     --litellm FILE|URL --litellm-version COMMIT|DATE --litellm-date 2026-08-01 --genai-date 2026-09-23
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { findProvider } from '@pydantic/genai-prices';
import type { BookFile } from '../packages/gateway/src/prices/book.ts';
import type { Catalogue } from '../packages/gateway/src/prices/catalogues/catalogue.ts';
import { type GenaiProvider, genaiCatalogue } from '../packages/gateway/src/prices/catalogues/genai-prices.ts';
import { type Conflict, type Merged, mergeCatalogues } from '../packages/gateway/src/prices/catalogues/merge.ts';
import { readCatalogue, VENDORS_PRICED } from '../packages/gateway/src/prices/catalogues/read.ts';
import { vendorDocs } from '../packages/gateway/src/prices/catalogues/vendor-docs.ts';
import { VENDOR_NAMES } from '../packages/gateway/src/prices/catalogues/vendor-names.ts';

const SNAPSHOT = new URL('../packages/gateway/src/prices/snapshot.json', import.meta.url);
const REPORT = new URL('../docs/price-conflicts.md', import.meta.url);
const PI_AI = 'npm @earendil-works/pi-ai, dist/providers/data/*.json';
const LITELLM = 'github.com/BerriAI/litellm, model_prices_and_context_window.json';

const { values } = parseArgs({
  options: {
    'pi-ai': { type: 'string' },
    'pi-ai-version': { type: 'string' },
    'pi-ai-date': { type: 'string' },
    litellm: { type: 'string' },
    'litellm-version': { type: 'string' },
    'litellm-date': { type: 'string' },
    'genai-date': { type: 'string' },
  },
});
const wanted = (name: keyof typeof values): string => {
  const value = values[name];
  if (value !== undefined) return value;
  console.error(`--${name} is missing; the head of scripts/update-prices.ts says how it is called`);
  process.exit(2);
};

const brought = async (id: 'pi-ai' | 'litellm', from: string): Promise<Catalogue> =>
  readCatalogue(await textOf(wanted(id)), {
    name: from,
    version: wanted(`${id}-version`),
    date: wanted(`${id}-date`),
    licence: 'MIT',
  });
// The freshest is believed first; dates, hours and one-hour caches come from the second, tiers of service from the third.
const catalogues = [
  await brought('pi-ai', PI_AI),
  genai(wanted('genai-date')),
  await brought('litellm', LITELLM),
  vendorDocs(),
];
const merged = mergeCatalogues(catalogues, VENDORS_PRICED);
const text = bookText(merged.book);
writeFileSync(SNAPSHOT, text);
writeFileSync(REPORT, reportText(merged));
const models = Object.values(merged.book.models).reduce((sum, own) => sum + Object.keys(own).length, 0);
console.log(
  `${merged.book.date}.${merged.book.hash.slice(0, 12)}: ${models} models, ${merged.book.rows.length} different prices, ${text.length} bytes; ${merged.conflicts.length} conflicts in docs/price-conflicts.md; ${merged.leftOut.length} models left out`,
);

function genai(date: string): Catalogue {
  const entry = createRequire(import.meta.url).resolve('@pydantic/genai-prices');
  const { version } = JSON.parse(readFileSync(new URL('../package.json', `file://${entry}`), 'utf8')) as {
    version: string;
  };
  const providers = Object.values(VENDOR_NAMES).flatMap(({ genai: id }) => {
    const provider = id === null ? undefined : findProvider({ providerId: id });
    return provider === undefined ? [] : [provider as unknown as GenaiProvider];
  });
  return genaiCatalogue(providers, {
    version,
    date,
    from: 'npm @pydantic/genai-prices',
    licence: 'MIT',
    sha256: createHash('sha256').update(readFileSync(entry)).digest('hex'),
  });
}

async function textOf(from: string): Promise<string> {
  if (!/^https?:/.test(from)) return readFileSync(from, 'utf8');
  const response = await fetch(from);
  if (!response.ok) throw new Error(`${from} answers ${response.status}`);
  return response.text();
}

/** One price and one vendor on a line, so that a new snapshot can be read as a difference. */
function bookText({ rows, models, dated, ...head }: BookFile): string {
  const lines = (values: unknown[]): string => values.map((value) => JSON.stringify(value)).join(',\n');
  const members = (object: Record<string, unknown>): string =>
    Object.entries(object)
      .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
      .join(',\n');
  return `{\n${members({ ...head })},\n"rows":[\n${lines(rows)}\n],\n"models":{\n${members(models)}\n},\n"dated":{\n${members(dated)}\n}\n}\n`;
}

function reportText({ book, conflicts, leftOut }: Merged): string {
  const sources = Object.entries(book.sources)
    .map(([id, { from, version, date, licence }]) => `| ${id} | ${from} | ${version} | ${date} | ${licence} |`)
    .join('\n');
  const row = ({ vendor, model, about, values: said }: Conflict): string =>
    `| ${vendor} | ${model} | ${about} | ${said.map(([id, value], index) => (index === 0 ? `**${id} ${value}**` : `${id} ${value}`)).join(' · ')} |`;
  return `# What the price catalogues disagree about

Written by \`scripts/update-prices.ts\` with the snapshot ${book.date}.${book.hash.slice(0, 12)}; do not edit. docs/prices.md says how a price is chosen.
Rates are USD per 1M tokens. Bold is what the snapshot holds. Where models are shown that you use, set their \`cost\` in your
config, which wins, or import a catalogue that you trust.

| catalogue | from | version | date | licence |
|---|---|---|---|---|
${sources}

## Conflicts

| vendor | model | about | who says what |
|---|---|---|---|
${conflicts.map(row).join('\n')}

## Left out

Models that a catalogue lists without a price, or that are billed by something that is not counted in tokens.

${leftOut.map((model) => `- ${model}`).join('\n')}
`;
}
