/**
 * `prices`: what calls cost and why. `list` and `explain` answer from the configuration and the books, without a gateway;
 * `check` looks for what is unpriced, old or at odds; `import` and `reprice` have their own files.
 */
import type { Command } from 'commander';
import type { Provider } from '../domain/provider.ts';
import { type Explanation, explainPrice, orderedRates, type Supposed } from '../prices/explain.ts';
import { pastMs, UNKNOWN } from './format.ts';
import * as checking from './prices-check.ts';
import * as importing from './prices-import.ts';
import { type OwnPrices, ownPrices, rateText } from './prices-own.ts';
import * as repricing from './prices-reprice.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';

interface Flags {
  config?: string;
  stateDir?: string;
  json?: boolean;
}
type ListFlags = Flags & { provider?: string; all?: boolean };
type ExplainFlags = Flags & { at?: string; promptTokens?: string; serviceTier?: string };

const COLUMNS: readonly Column[] = [
  { title: 'model', align: 'left' },
  ...['input', 'output', 'cache read', 'cache write', '1h write'].map((title) => ({ title, align: 'right' as const })),
  { title: 'larger prompts', align: 'left' },
  { title: 'service tiers', align: 'left' },
  { title: 'from', align: 'left' },
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const verb = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .option('--config <file>', 'config file of the gateway')
      .option('--state-dir <folder>', 'state directory of the gateway')
      .option('--json', 'the answer as JSON, for programs');
  verb('list', 'prices in force, in USD per 1M tokens')
    .option('--provider <provider>', 'every model of this provider that a book knows, configured or not')
    .option('--all', 'every model of every configured provider')
    .action(async (flags: ListFlags) => {
      surroundings.stdout(listText(await ownPrices(flags, surroundings), flags));
      finish(EXIT.ok);
    });
  verb('explain <model>', 'which price a call of `provider/model` gets, from whom, and what else was said')
    .option('--at <time>', 'for a call that began then: ISO 8601, or how long ago (7d); now unless told')
    .option('--prompt-tokens <count>', 'for a prompt of this size', '0')
    .option('--service-tier <tier>', 'for this tier of service: flex, batch, priority')
    .action(async (model: string, flags: ExplainFlags) => {
      const explanation = explained(await ownPrices(flags, surroundings), model, supposed(flags));
      surroundings.stdout(
        flags.json ? `${JSON.stringify({ object: 'price', ...explanation }, asText)}\n` : explainText(explanation),
      );
      finish(explanation.inForce === null ? EXIT.differs : EXIT.ok);
    });
  importing.define(
    verb('import <file>', 'use the prices of a catalogue or a book before the snapshot’s'),
    surroundings,
    finish,
  );
  checking.define(command.command('check'), surroundings, finish);
  repricing.define(command.command('reprice'), surroundings, finish);
}

function listText({ prices, providers, now }: OwnPrices, { provider: wanted, all, json }: ListFlags): string {
  const asked = providers.filter(({ id }) => wanted === undefined || id === wanted);
  if (asked.length === 0) {
    const known = providers.map(({ id }) => id).join(', ');
    throw new Failure(`there is no provider "${plainText(wanted ?? '')}"; there are ${known}.`, EXIT.usage);
  }
  const models = asked.flatMap((provider) =>
    namesOf(provider, prices, wanted !== undefined || all === true).map((model) =>
      explainPrice(prices, provider, model, { at: now, promptTokens: 0, serviceTier: null }),
    ),
  );
  if (json) return `${JSON.stringify({ object: 'prices', data: models.map(listed) }, asText)}\n`;
  if (models.length === 0) {
    return 'No models are listed in the configuration. `prices list --all` shows what the books know of its providers.\n';
  }
  return `${renderTable(COLUMNS, models.map(rowOf))}USD per 1M tokens. \`prices explain MODEL\` says where each is from.\n`;
}

function namesOf(provider: Provider, prices: OwnPrices['prices'], all: boolean): string[] {
  const configured = provider.models.map(({ id }) => id);
  if (!all || provider.vendor === null) return configured;
  const vendor = provider.vendor;
  return [...new Set([...configured, ...prices.books().flatMap(({ book }) => book.models(vendor))])].sort();
}

function listed({ provider, model, inForce, missing }: Explanation) {
  return { id: `${provider}/${model}`, provider, model, price: inForce, missing };
}

function rowOf({ provider, model, inForce, missing, books }: Explanation): string[] {
  const name = `${provider}/${model}`;
  if (inForce === null) return [name, ...Array.from({ length: 5 }, () => UNKNOWN), '', '', missing ?? ''];
  const row = books.flatMap(({ rows }) => rows).find(({ pin }) => pin.priceId === inForce.priceId)?.row;
  const isBook = inForce.basis !== null;
  const { rates } = inForce;
  return [
    name,
    ...[rates.input, rates.output, rates.cacheRead, rates.cacheWrite, rates.cacheWrite1h].map((rate) => rateText(rate)),
    isBook ? (row?.standard.larger.map(({ above }) => `> ${above}`).join(', ') ?? '') : '',
    isBook ? Object.keys(row?.tiers ?? {}).join(', ') : '',
    isBook ? (inForce.basis?.published.input ?? inForce.source) : inForce.source,
  ];
}

function explained({ prices, providers }: OwnPrices, ref: string, asked: Supposed): Explanation {
  const slash = ref.indexOf('/');
  const provider = providers.find(({ id }) => id === ref.slice(0, slash));
  if (slash > 0 && provider !== undefined) return explainPrice(prices, provider, ref.slice(slash + 1), asked);
  const owners = providers.filter(({ models }) => models.some(({ id }) => id === ref));
  if (owners.length === 1) return explainPrice(prices, owners[0]!, ref, asked);
  const vendors = prices.books().flatMap(({ book }) => book.vendors());
  const vendor = slash > 0 ? vendors.find((id) => id === ref.slice(0, slash)) : undefined;
  // Not configured here, and still worth an answer.
  if (vendor !== undefined)
    return explainPrice(prices, { id: vendor, models: [], vendor }, ref.slice(slash + 1), asked);
  const known = [...new Set([...providers.map(({ id }) => id), ...vendors])].sort().join(', ');
  throw new Failure(`name a model as provider/model, with one of ${known}.`, EXIT.usage);
}

function supposed({ at, promptTokens = '0', serviceTier }: ExplainFlags): Supposed {
  const now = Date.now();
  const moment = at === undefined ? now : pastMs(at, now);
  if (moment === null) throw new Failure('--at must be a time like 2026-11-01, or how long ago, like 7d.', EXIT.usage);
  if (!/^\d{1,9}$/.test(promptTokens)) throw new Failure('--prompt-tokens must be a whole number.', EXIT.usage);
  return { at: moment, promptTokens: Number(promptTokens), serviceTier: serviceTier ?? null };
}

function explainText({ provider, vendor, model, inForce, missing, config, books }: Explanation): string {
  const head = `${plainText(provider)}/${plainText(model)}${vendor === null || vendor === provider ? '' : `, priced as ${vendor}’s`}\n\n`;
  const lines: string[] = [head];
  if (inForce === null) lines.push(`Unpriced: ${missing}.\n`);
  else {
    lines.push(`In force: ${inForce.source}, ${inForce.priceId}${basisText(inForce.basis)}\n`);
    const rows = orderedRates(inForce).map(([name, rate]) => [
      name,
      rateText(rate, name),
      name.startsWith('tool.') ? 'USD a call' : 'USD per 1M tokens',
      inForce.basis?.published[name] ?? inForce.source,
    ]);
    const right = { align: 'right' as const };
    lines.push(
      renderTable(
        [
          { title: 'rate', align: 'left' },
          { title: '', ...right },
          { title: '', align: 'left' },
          { title: 'published by', align: 'left' },
        ],
        rows,
      ),
    );
  }
  lines.push(`\nAsked in this order:\n- config: ${config === 'silent' ? 'has no `cost` for it' : config}\n`);
  for (const { source, version, rows } of books) {
    const what = source === 'import' ? 'imported prices' : 'snapshot';
    lines.push(`- ${what} ${version}: ${rows.length === 0 ? 'does not know it' : ''}\n`);
    for (const { row, holds, pin } of rows) {
      const { input, output } = pin.rates;
      const from = row.validFrom === null ? (row.hours === null ? 'always' : 'daily') : `from ${row.validFrom}`;
      const hours = row.hours === null ? '' : `, ${clock(row.hours[0])}–${clock(row.hours[1])} UTC`;
      const larger = row.standard.larger.map(
        ({ above, rates }) => `, > ${above} tokens ${rateText(rates.input)}/${rateText(rates.output)}`,
      );
      const tiers = Object.entries(row.tiers).map(
        ([tier, card]) => `, ${tier} ${rateText(card.rates.input)}/${rateText(card.rates.output)}`,
      );
      lines.push(
        `  ${holds ? '*' : ' '} ${from}${hours}: ${rateText(input)}/${rateText(output)}${[...larger, ...tiers].join('')} (${row.by})\n`,
      );
    }
  }
  return lines.join('');
}

function basisText(basis: NonNullable<Explanation['inForce']>['basis']): string {
  if (basis === null) return '';
  const { book, validFrom, promptAbove, serviceTier } = basis;
  const parts = [`book ${book}`];
  if (validFrom !== null) parts.push(`since ${validFrom}`);
  if (promptAbove !== null) parts.push(`prompts above ${promptAbove} tokens`);
  if (serviceTier !== null) parts.push(`service tier ${serviceTier}`);
  return ` (${parts.join(', ')})`;
}

function clock(second: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(second / 3600))}:${two(Math.floor((second % 3600) / 60))}`;
}

/** Money is text in JSON. */
function asText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
