/**
 * What the provider wrote down against what the ledger holds: each request one entry, with the provider's count or an estimate
 * that says it is one, and the session that OpenClaw itself names. Reads the database file past every room of the gateway.
 */
import { DatabaseSync } from 'node:sqlite';
import type { JournalEntry } from './provider.ts';

export interface LedgerEntry {
  dispatchId: string;
  providerRequestId: string | null;
  outcome: string | null;
  usageSource: string | null;
  sessionId: string | null;
  sessionKey: string | null;
  traceparent: string | null;
  source: string;
  api: string;
  input: number | null;
  output: number | null;
}

export function entriesOf(databaseFile: string): LedgerEntry[] {
  const database = new DatabaseSync(databaseFile, { readOnly: true, timeout: 5000 });
  try {
    return database
      .prepare(
        `select "dispatchId", "providerRequestId", outcome, "usageSource", "sessionId", "sessionKey", traceparent, source, api,
                input, output from entries where kind = 'usage' order by "entryId"`,
      )
      .all() as unknown as LedgerEntry[];
  } finally {
    database.close();
  }
}

/** `sessions`: OpenClaw's session ids by its keys. One sentence for each difference. */
export function compare(
  requests: readonly JournalEntry[],
  entries: readonly LedgerEntry[],
  sessions: ReadonlyMap<string, string>,
): string[] {
  const found: string[] = [];
  const known = new Set(sessions.values());
  const byRequest = Map.groupBy(entries, ({ providerRequestId }) => providerRequestId);
  for (const request of requests) {
    const what = `request ${request.n} (${request.marker ?? request.path})`;
    const [entry, ...more] = byRequest.get(`try-${request.n}`) ?? [];
    if (entry === undefined || more.length > 0) {
      found.push(`${what} has ${entry === undefined ? 0 : more.length + 1} entries`);
      continue;
    }
    if (entry.traceparent !== (request.headers.traceparent ?? null)) found.push(`${what} has another's trace`);
    if (entry.source !== 'proxy' || (request.dialect !== null && entry.api !== request.dialect))
      found.push(`${what}: ${entry.source}, ${entry.api}`);
    found.push(...usageDifferences(request, entry).map((difference) => `${what}: ${difference}`));
    if (entry.sessionId === null && hasNoSession(request)) continue;
    if (entry.sessionId === null) found.push(`${what} has no session`);
    else if (!known.has(entry.sessionId)) found.push(`${what}: OpenClaw knows no session ${entry.sessionId}`);
  }
  const seen = new Set(requests.map(({ n }) => `try-${n}`));
  for (const { dispatchId, providerRequestId } of entries) {
    if (!seen.has(providerRequestId ?? '')) found.push(`${dispatchId} (${providerRequestId}) has no request`);
  }
  return [...found, ...sessionDifferences(requests, byRequest, sessions)];
}

/** To Anthropic and Google, and on its embeddings, OpenClaw says no session; docs/openclaw.md says so. */
function hasNoSession({ dialect }: JournalEntry): boolean {
  return dialect !== 'openai-completions' && dialect !== 'openai-responses';
}

function usageDifferences({ usage, end }: JournalEntry, entry: LedgerEntry): string[] {
  if (usage === null) return entry.usageSource === 'none' ? [] : [`${entry.usageSource}, where nothing was answered`];
  if (end === 'complete') {
    const isRight = entry.usageSource === 'reported' && entry.input === usage.input && entry.output === usage.output;
    return isRight ? [] : [`${JSON.stringify(entry)} instead of ${JSON.stringify(usage)}`];
  }
  const isCounted = (entry.input ?? 0) > 0 && (entry.output ?? 0) > 0;
  return isCounted && entry.usageSource !== 'none' ? [] : [`left, and not counted: ${JSON.stringify(entry)}`];
}

/** A turn's requests, known by its marker, all carry the session it was sent to. */
function sessionDifferences(
  requests: readonly JournalEntry[],
  byRequest: ReadonlyMap<string | null, readonly LedgerEntry[]>,
  sessions: ReadonlyMap<string, string>,
): string[] {
  return requests.flatMap((request) => {
    const { n, marker } = request;
    const key = marker === null ? null : sessionOf(marker);
    const expected = key === null ? undefined : sessions.get(key);
    const entry = byRequest.get(`try-${n}`)?.[0];
    if (expected === undefined || entry === undefined || entry.sessionId === expected) return [];
    if (entry.sessionId === null && hasNoSession(request)) return [];
    return [`request ${n} (${marker}) belongs to ${key} (${expected}), its entry says ${entry.sessionId}`];
  });
}

/** Where try-openclaw.ts sends each marker. */
function sessionOf(marker: string): string | null {
  const n = Number(/\d+/.exec(marker)![0]);
  if (n >= 100) return 'agent:main:probe';
  if (n >= 50) return `agent:main:d${n - 50}`;
  if (n >= 20) return `agent:main:s${n / 10 - 2}`;
  return n >= 10 ? `agent:main:s${(n - 10) % 3}` : null;
}
