/**
 * The comparison that the promises P1 and P2 are judged by: what the provider wrote down, what callers saw, what the
 * ledger holds. Pure; returns one sentence for each difference.
 */
import type { ExpectedTokens, JournalRequest } from './journal.ts';
import type { StoredEntry } from './ledger-reader.ts';

/** What one caller saw of one answer. */
export interface Sighting {
  dispatchId: string | null;
  sawEnd: boolean;
}

export function differences(
  requests: readonly JournalRequest[],
  entries: readonly StoredEntry[],
  sightings: readonly Sighting[],
): string[] {
  const found: string[] = [];
  const byDispatch = new Map<string, StoredEntry[]>();
  for (const entry of entries.filter(({ kind }) => kind === 'usage')) {
    byDispatch.set(entry.dispatchId, [...(byDispatch.get(entry.dispatchId) ?? []), entry]);
  }
  const late = entries.filter(({ reason }) => reason === 'settled_late');
  const byRequest = new Map(requests.map((request) => [request.dispatchId, request]));
  if (byRequest.size !== requests.length) found.push('two provider requests carried one dispatch id');

  for (const request of requests) {
    const own = byDispatch.get(request.dispatchId) ?? [];
    if (own.length !== 1) found.push(`request ${request.n} (${request.dispatchId}) has ${own.length} entries`);
    const entry = own[0];
    if (entry === undefined) continue;
    if (entry.outcome === null) found.push(`${request.dispatchId} is still open`);
    if (entry.usageSource === 'reported') found.push(...tokenDifferences(entry, request.tokens));
  }
  for (const [dispatchId, own] of byDispatch) {
    if (own.length > 1) found.push(`${dispatchId} has ${own.length} entries`);
    if (!byRequest.has(dispatchId) && own.some((entry) => entry.usageSource === 'reported')) {
      found.push(`${dispatchId} has reported usage, but the provider never saw it`);
    }
  }
  for (const { dispatchId, sawEnd } of sightings) {
    if (!sawEnd) continue;
    const entry = dispatchId === null ? undefined : byDispatch.get(dispatchId)?.[0];
    const tokens = byRequest.get(dispatchId!)?.tokens ?? null;
    if (entry === undefined) found.push(`a caller saw the end of ${dispatchId}, which has no entry`);
    else if (entry.outcome === 'completed') found.push(...tokenDifferences(entry, tokens));
    else if (entry.outcome === 'uncertain') found.push(...lateDifferences(entry, late, tokens));
    else found.push(`a caller saw the end of ${dispatchId}, whose entry says '${entry.outcome}'`);
  }
  return found;
}

/**
 * A gateway that stood still for longer than its lease was held for dead, and its calls recorded as uncertain. Where it
 * lived after all, one correction has what each used, before the caller saw the end.
 */
function lateDifferences(
  { dispatchId }: StoredEntry,
  late: readonly StoredEntry[],
  tokens: ExpectedTokens | null,
): string[] {
  const own = late.filter((correction) => correction.dispatchId === dispatchId);
  if (own.length === 1) return tokenDifferences(own[0]!, tokens);
  return [`a caller saw the end of ${dispatchId}, whose entry is uncertain and has ${own.length} late settlements`];
}

/** An entry's buckets against what the provider says it reported. */
export function tokenDifferences(entry: StoredEntry, tokens: ExpectedTokens | null): string[] {
  if (tokens === null) {
    return entry.usageSource === 'reported' ? [`${entry.dispatchId}: nothing was reported, yet it says so`] : [];
  }
  const names = ['input', 'output', 'cacheRead', 'reasoning'] as const;
  return names
    .filter((name) => entry[name] !== tokens[name])
    .map((name) => `${entry.dispatchId}: ${name} is ${entry[name]}, the provider reported ${tokens[name]}`);
}
