/**
 * The ledger as lines of text: every settled entry and correction in the order of its number. NDJSON carries a running
 * hash, so that a line changed, dropped, moved or added later is found; CSV is for spreadsheets and is safe to open there.
 */
import { createHash } from 'node:crypto';
import type { DispatchRecord } from '@weighbridge/protocol';
import type { Store } from '../store/store.ts';
import { settledAfter } from './questions.ts';

/** Entries read at once. */
const PAGE = 1000;
const FORMAT = 'weighbridge-export-1';

export interface ExportQuestion {
  /** Settlement time, milliseconds: from inclusive, to exclusive. */
  fromMs: number;
  /** Null: to the end. Never the local clock: settlement times may be ahead of it. */
  toMs: number | null;
}

const TYPES = ['model.usage', 'model.usage.corrected'];
const END_MS = Number.MAX_SAFE_INTEGER;

export type ExportProgress = (done: number) => void;

/** Settled entries and corrections in the order of their numbers. */
async function* settledEntries(
  store: Store,
  question: ExportQuestion,
): AsyncGenerator<(DispatchRecord & { seq: number })[]> {
  let seq = 0;
  while (true) {
    const page = await settledAfter(store, {
      fromMs: question.fromMs,
      toMs: question.toMs ?? END_MS,
      seq,
      limit: PAGE,
    });
    if (page.length === 0) return;
    yield page;
    seq = page.at(-1)!.seq;
  }
}

/** How many an export will hold. */
export async function countSettled(store: Store, { fromMs, toMs }: ExportQuestion): Promise<number> {
  const query = store.queries
    .selectFrom('events')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('type', 'in', TYPES)
    .where('at', '>=', fromMs)
    .where('at', '<', toMs ?? END_MS);
  const [row] = await store.read<{ count: number }>(query.compile());
  return Number(row!.count);
}

/** First line: what this is. Then one line for each entry. Last line: how many there were, and the last hash again. */
export async function* ndjsonLines(
  store: Store,
  ledgerId: string,
  question: ExportQuestion,
  onProgress: ExportProgress,
): AsyncGenerator<string> {
  const { fromMs, toMs } = question;
  const to = toMs === null ? null : new Date(toMs).toISOString();
  const head = { format: FORMAT, ledgerId, from: new Date(fromMs).toISOString(), to };
  let hash = chained('', JSON.stringify(head));
  yield `${JSON.stringify({ ...head, hash })}\n`;
  let count = 0;
  for await (const page of settledEntries(store, question)) {
    let lines = '';
    for (const entry of page) {
      const text = JSON.stringify(entry);
      hash = chained(hash, text);
      lines += `{"entry":${text},"hash":"${hash}"}\n`;
    }
    count += page.length;
    onProgress(count);
    yield lines;
  }
  const tail = { count };
  yield `${JSON.stringify({ ...tail, hash: chained(hash, JSON.stringify(tail)) })}\n`;
}

/** What a check of an export found; `problem` null: the lines are as they were written. */
export interface ExportCheck {
  entries: number;
  ledgerId: string | null;
  problem: string | null;
}

/** Follows the chain from the first line to the last. */
export async function checkExport(lines: AsyncIterable<string>): Promise<ExportCheck> {
  let hash = '';
  let entries = 0;
  let ledgerId: string | null = null;
  let number = 0;
  let isEnded = false;
  const found = (problem: string): ExportCheck => ({ entries, ledgerId, problem: `line ${number}: ${problem}` });
  for await (const line of lines) {
    number += 1;
    if (isEnded) return found('there is something after the last line');
    const link = linkOf(line);
    if (link === null) return found('it is not a line of an export');
    if (number === 1 && link.kind !== 'head') return found('an export begins with its head');
    hash = chained(hash, link.text);
    if (hash !== link.hash) return found('it was changed, or a line before it is missing, added or moved');
    if (link.kind === 'head') ledgerId = link.ledgerId;
    else if (link.kind === 'entry') entries += 1;
    else if (link.count !== entries) return found(`it says ${link.count} entries, there are ${entries}`);
    else isEnded = true;
  }
  if (!isEnded) return found('the end is missing');
  return { entries, ledgerId, problem: null };
}

type Link = { text: string; hash: string } & (
  | { kind: 'head'; ledgerId: string }
  | { kind: 'entry' }
  | { kind: 'tail'; count: number }
);

/** The part of a line that is hashed is its text as it stands, not as a parser would write it again. */
function linkOf(line: string): Link | null {
  const entry = /^\{"entry":(\{.*\}),"hash":"([0-9a-f]{64})"\}$/s.exec(line);
  if (entry) return { kind: 'entry', text: entry[1]!, hash: entry[2]! };
  const end = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s.exec(line);
  if (!end) return null;
  const text = `${end[1]}}`;
  try {
    const facts = JSON.parse(text) as { format?: string; ledgerId?: string; count?: number };
    if (facts.format === FORMAT) return { kind: 'head', text, hash: end[2]!, ledgerId: String(facts.ledgerId) };
    if (typeof facts.count === 'number') return { kind: 'tail', text, hash: end[2]!, count: facts.count };
  } catch {
    // Not JSON: not ours.
  }
  return null;
}

function chained(before: string, text: string): string {
  return createHash('sha256').update(before).update('\n').update(text).digest('hex');
}

const CSV_COLUMNS: readonly [string, (entry: DispatchRecord & { seq: number }) => string | number | null][] = [
  ['seq', (entry) => entry.seq],
  ['settledAt', (entry) => entry.settledAt],
  ['startedAt', (entry) => entry.startedAt],
  ['kind', (entry) => entry.kind],
  ['entryId', (entry) => entry.entryId],
  ['dispatchId', (entry) => entry.dispatchId],
  ['runId', (entry) => entry.runId],
  ['attempt', (entry) => entry.attempt],
  ['tenantId', (entry) => entry.tenantId],
  ['agentId', (entry) => entry.agentId],
  ['sessionKey', (entry) => entry.sessionKey],
  ['endUserId', (entry) => entry.endUserId],
  ['provider', (entry) => entry.provider],
  ['model', (entry) => entry.model],
  ['requestedModel', (entry) => entry.requestedModel],
  ['outcome', (entry) => entry.outcome],
  ['errorKind', (entry) => entry.errorKind],
  ['usageSource', (entry) => entry.usageSource],
  ['input', (entry) => entry.usage?.input ?? null],
  ['output', (entry) => entry.usage?.output ?? null],
  ['cacheRead', (entry) => entry.usage?.cacheRead ?? null],
  ['cacheWrite', (entry) => entry.usage?.cacheWrite ?? null],
  ['cacheWrite1h', (entry) => entry.usage?.cacheWrite1h ?? null],
  ['reasoning', (entry) => entry.usage?.reasoning ?? null],
  ['total', (entry) => entry.usage?.total ?? null],
  ['costUsd', (entry) => entry.cost?.usd ?? null],
  ['costNanoUsd', (entry) => entry.cost?.nanoUsd ?? null],
  ['priceId', (entry) => entry.cost?.priceId ?? null],
  ['latencyMs', (entry) => entry.latencyMs],
  ['timeToFirstTokenMs', (entry) => entry.timeToFirstTokenMs],
];

/** RFC 4180, with a head line. */
export async function* csvLines(
  store: Store,
  question: ExportQuestion,
  onProgress: ExportProgress,
): AsyncGenerator<string> {
  yield `${CSV_COLUMNS.map(([name]) => name).join(',')}\r\n`;
  let count = 0;
  for await (const page of settledEntries(store, question)) {
    yield page.map((entry) => `${CSV_COLUMNS.map(([, cell]) => csvCell(cell(entry))).join(',')}\r\n`).join('');
    count += page.length;
    onProgress(count);
  }
}

/** What a spreadsheet would take for a formula is text there: names come from callers. A number stays a number. */
export function csvCell(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  const isNumber = /^-?\d+(\.\d+)?$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
