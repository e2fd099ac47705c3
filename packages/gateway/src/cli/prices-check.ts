/**
 * `prices check`: looks for what an invoice would be wrong about. Configured models without a price, models whose calls
 * have none, config prices at odds with the published ones, books that are old. Changes nothing.
 */
import type { Command } from 'commander';
import { explainPrice } from '../prices/explain.ts';
import { type OwnPrices, ownPrices, rateText } from './prices-own.ts';
import { type SourceFlags, withSource, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { plainText } from './table.ts';

type Flags = SourceFlags & { json?: boolean };

/** How much a finding matters: `wrong` is an invoice without a call, `odd` is worth a look. */
export interface Finding {
  weight: 'wrong' | 'odd';
  model: string | null;
  text: string;
}

/** A book this old has missed price changes: of the first-party models one in eight changed within 15 weeks. */
const OLD_DAYS = 60;
const DAY_MS = 86_400_000;

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command.description('look for models without a price, prices at odds, and old books')).action(
    async (flags: Flags) => {
      const own = await ownPrices(flags, surroundings);
      const findings = [...configured(own), ...(await used(own, flags, surroundings)), ...old(own)];
      surroundings.stdout(flags.json ? `${JSON.stringify({ object: 'check', findings })}\n` : textOf(own, findings));
      finish(findings.some(({ weight }) => weight === 'wrong') ? EXIT.differs : EXIT.ok);
    },
  );
}

function configured({ prices, providers, now }: OwnPrices): Finding[] {
  return providers.flatMap((provider) =>
    provider.models.flatMap(({ id }): Finding[] => {
      const model = `${provider.id}/${id}`;
      const supposed = { at: now, promptTokens: 0, serviceTier: null };
      const { inForce, missing, books } = explainPrice(prices, provider, id, supposed);
      if (inForce === null) return [{ weight: 'wrong', model, text: `unpriced: ${missing}` }];
      if (inForce.source !== 'config') return [];
      const published = books.flatMap(({ rows }) => rows).find(({ holds }) => holds)?.pin;
      if (published === undefined) return [];
      const differing = (['input', 'output', 'cacheRead'] as const).filter(
        (rate) => published.rates[rate] !== inForce.rates[rate],
      );
      return differing.map((rate) => ({
        weight: 'odd',
        model,
        text: `${rate} is ${rateText(inForce.rates[rate])} in the config, published is ${rateText(published.rates[rate])} (${published.basis?.published[rate] ?? ''})`,
      }));
    }),
  );
}

/** Models whose calls were not priced, configured or not. */
async function used({ now }: OwnPrices, flags: Flags, surroundings: Surroundings): Promise<Finding[]> {
  try {
    const { rows } = await withSource(flags, surroundings, (source) =>
      source.usage({ fromMs: 0, toMs: now, groupBy: ['provider', 'model'], latency: false }),
    );
    return rows.flatMap(({ group, composition }): Finding[] => {
      if (composition.unpriced <= 0) return [];
      const model = `${group.provider}/${group.model}`;
      return [
        {
          weight: 'wrong',
          model,
          text: `${composition.unpriced} calls have no cost; \`prices reprice --unpriced\` once there is a price`,
        },
      ];
    });
  } catch (error) {
    // Before the first start there is no ledger, and so no call.
    if (error instanceof Failure && /nothing is recorded yet/.test(error.message)) return [];
    throw error;
  }
}

function old({ prices, now }: OwnPrices): Finding[] {
  return prices.books().flatMap(({ source, book }): Finding[] => {
    const days = Math.floor((now - Date.parse(book.date)) / DAY_MS);
    const what = source === 'import' ? 'the imported prices are' : 'the snapshot is';
    if (days <= OLD_DAYS) return [];
    return [
      { weight: 'odd', model: null, text: `${what} ${days} days old; \`prices import\` a newer catalogue, or update` },
    ];
  });
}

function textOf({ prices }: OwnPrices, findings: readonly Finding[]): string {
  const books = prices
    .books()
    .map(({ source, book }) => `${source === 'import' ? 'imported' : 'snapshot'} ${book.version}`);
  const lines = findings.map(
    ({ weight, model, text }) => `${weight === 'wrong' ? '✗' : '!'} ${plainText(model ?? 'books')}: ${text}\n`,
  );
  return `${lines.join('')}${lines.length === 0 ? 'Every configured model and every call has a price' : `${lines.length} findings`} (${books.join(', ')}).\n`;
}
