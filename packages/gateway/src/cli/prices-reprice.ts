/**
 * `prices reprice`: holds settled entries against the prices in force and corrects their cost. The running gateway does
 * it, page by page; where none runs, the ledger itself is opened. Prints what changed for each tenant.
 */
import type { RepriceAnswer } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { usdText } from '../domain/price.ts';
import { repricePage } from '../ledger/reprice.ts';
import type { Settled } from '../ledger/scripts.ts';
import { entryPricing, pricesHash } from '../prices/prices.ts';
import { countText, dollarsText, pastMs } from './format.ts';
import { withWriter } from './ledger-database.ts';
import { type OwnPrices, ownPrices } from './prices-own.ts';
import { progressBar } from './progress.ts';
import { type SourceFlags, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, renderTable } from './table.ts';

type Flags = SourceFlags & {
  json?: boolean;
  since: string;
  until?: string;
  model?: string;
  provider?: string;
  tenant?: string;
  unpriced?: boolean;
  dryRun?: boolean;
};

interface Asked {
  fromMs: number;
  toMs: number;
  tenant: string | undefined;
  provider: string | undefined;
  model: string | undefined;
  unpriced: boolean;
  dryRun: boolean;
}

/** Asks for one page. */
type Page = (cursor: string | null) => Promise<RepriceAnswer>;

interface Sum {
  tenantId: string;
  entries: number;
  repriced: number;
  priced: number;
  unpriced: number;
  kept: number;
  before: bigint;
  after: bigint;
}

const PAGE = 500;
const END_MS = Number.MAX_SAFE_INTEGER;
const COLUMNS: readonly Column[] = [
  { title: 'tenant', align: 'left' },
  ...['looked at', 'corrected', 'priced', 'unpriced', 'kept', 'before', 'now', 'difference'].map((title) => ({
    title,
    align: 'right' as const,
  })),
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command.description('hold settled calls against the prices in force, and correct their cost'))
    .requiredOption('--since <time>', 'calls settled since: ISO 8601, or how long ago (30m, 24h, 7d, 2w)')
    .option('--until <time>', 'and before; to the end unless told')
    .option('--model <model>', 'only this model, as it was asked for; `provider/model` too')
    .option('--provider <provider>', 'only this provider')
    .option('--tenant <id>', 'only this tenant')
    .option('--unpriced', 'only calls that have no cost yet')
    .option('--dry-run', 'write nothing; show what would change')
    .action(async (flags: Flags) => {
      const sums = await reprice(flags, askedOf(flags), surroundings);
      surroundings.stdout(flags.json ? jsonText(sums, flags.dryRun === true) : tableText(sums, flags.dryRun === true));
      finish(EXIT.ok);
    });
}

async function reprice(flags: Flags, asked: Asked, surroundings: Surroundings): Promise<Sum[]> {
  const { fromMs, toMs, ...same } = asked;
  const own = flags.url === undefined ? await ownPrices(flags, surroundings) : null;
  const byGateway = await withGateway(flags, surroundings, async (gateway) => {
    const query = { ...same, from: fromMs, ...(toMs === END_MS ? {} : { to: toMs }), limit: PAGE };
    // Asked without writing: a gateway that has not taken up the file's prices would correct everything wrongly.
    const { pricesHash: hash } = await gateway.reprice({ ...query, dryRun: true, limit: 1 });
    if (own !== null) refuseOther(hash, own);
    return await allPages(
      (cursor) => gateway.reprice({ ...query, ...(cursor === null ? {} : { cursor }) }),
      surroundings,
    );
  });
  return byGateway ?? (await onLedger(own!, asked, surroundings));
}

function refuseOther(hash: string, { prices, config }: OwnPrices): void {
  if (hash === pricesHash(prices, config.providers)) return;
  throw new Failure(
    'the running gateway has other prices than the configuration says now. Give it those with `reload`, then reprice.',
  );
}

function onLedger({ prices, config }: OwnPrices, asked: Asked, surroundings: Surroundings): Promise<Sum[]> {
  const { dryRun, unpriced: unpricedOnly, tenant, ...question } = asked;
  const priceOf = entryPricing(prices, () => config.providers);
  return withWriter(config.database, [], (store) => {
    const correct = dryRun ? null : (input: unknown) => store.write<Settled>('correctEntries', input);
    const deps = { store, priceOf, correct, now: Date.now };
    const page: Page = (cursor) =>
      repricePage(deps, { ...question, unpricedOnly, tenantId: tenant ?? null, cursor, limit: PAGE });
    return allPages(page, surroundings);
  });
}

async function allPages(page: Page, surroundings: Surroundings): Promise<Sum[]> {
  const bar = progressBar(surroundings);
  const sums = new Map<string, Sum>();
  let cursor: string | null = null;
  let total = 0;
  let pages = 0;
  try {
    do {
      const answer: RepriceAnswer = await page(cursor);
      total = answer.total ?? total;
      for (const tenant of answer.tenants) add(sums, tenant);
      cursor = answer.nextCursor;
      pages++;
      bar.show('repricing', Math.min(pages * PAGE, total), total);
    } while (cursor !== null);
  } finally {
    bar.end();
  }
  return [...sums.values()];
}

function add(sums: Map<string, Sum>, tenant: RepriceAnswer['tenants'][number]): void {
  const { tenantId, beforeNanoUsd, afterNanoUsd, differenceNanoUsd: _, ...counts } = tenant;
  const sum = sums.get(tenantId);
  if (sum === undefined) {
    sums.set(tenantId, { tenantId, ...counts, before: BigInt(beforeNanoUsd), after: BigInt(afterNanoUsd) });
    return;
  }
  for (const name of ['entries', 'repriced', 'priced', 'unpriced', 'kept'] as const) sum[name] += counts[name];
  sum.before += BigInt(beforeNanoUsd);
  sum.after += BigInt(afterNanoUsd);
}

function askedOf(flags: Flags): Asked {
  const now = Date.now();
  const fromMs = pastMs(flags.since, now);
  const toMs = flags.until === undefined ? END_MS : pastMs(flags.until, now);
  if (fromMs === null)
    throw new Failure('--since must be a time like 2026-11-01, or how long ago, like 7d.', EXIT.usage);
  if (toMs === null) throw new Failure('--until must be a time like 2026-11-01, or how long ago, like 7d.', EXIT.usage);
  if (fromMs > toMs) throw new Failure('--since lies after --until.', EXIT.usage);
  const { unpriced = false, dryRun = false, tenant, model, provider } = flags;
  // As people name models everywhere else; a model's own name may hold a slash, so the provider must be said then.
  const slash = provider === undefined ? (model?.indexOf('/') ?? -1) : -1;
  const named = slash > 0 ? { provider: model!.slice(0, slash), model: model!.slice(slash + 1) } : { provider, model };
  return { fromMs: Math.max(0, fromMs), toMs, tenant, unpriced, dryRun, ...named };
}

function jsonText(sums: readonly Sum[], dryRun: boolean): string {
  const tenants = sums.map(({ before, after, ...counts }) => ({
    ...counts,
    beforeNanoUsd: before.toString(),
    afterNanoUsd: after.toString(),
    differenceNanoUsd: (after - before).toString(),
    differenceUsd: usdText(after - before),
  }));
  return `${JSON.stringify({ object: 'reprice', dryRun, tenants })}\n`;
}

function tableText(sums: readonly Sum[], dryRun: boolean): string {
  if (sums.length === 0) return 'No settled calls fit.\n';
  const money = (nanoUsd: bigint) => dollarsText(usdText(nanoUsd));
  const rows = sums.map(({ tenantId, entries, repriced, priced, unpriced, kept, before, after }) => [
    tenantId,
    ...[entries, repriced, priced, unpriced, kept].map(countText),
    ...[before, after, after - before].map(money),
  ]);
  const unpriced = sums.reduce((sum, tenant) => sum + tenant.unpriced, 0);
  const notes = [
    dryRun ? 'Nothing was written: this is what `prices reprice` without --dry-run would do.\n' : '',
    unpriced > 0 ? `${countText(unpriced)} calls have no price still; \`prices check\` names their models.\n` : '',
  ];
  return renderTable(COLUMNS, rows) + notes.join('');
}
