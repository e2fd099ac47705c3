/** What is known of one dispatch, as the provider's context headers are made of it. Pure. */

import { spellingsOf } from '../domain/attribution-headers.ts';
import { type ContextFacts, contextHeaders, metadataText, tagsText } from '../domain/context-headers.ts';
import type { Attribution } from '../domain/entry.ts';
import type { Provider } from '../domain/provider.ts';

type Headers = Readonly<Record<string, string>>;

export interface Known {
  runId: string;
  dispatchId: string;
  attempt: number;
  attribution: Attribution;
  /** Which way in it came. */
  runKind: string;
  /** The messenger behind the call, as OpenClaw's clients say it. */
  channel: string | null;
}

/** The context headers below what session and key send: those win, and every other spelling of what they say is gone. */
export function withContext(provider: Provider, known: Known, outbound: Headers | undefined): Headers | undefined {
  const { contextHeaders: wanted } = provider;
  if (wanted === undefined) return outbound;
  const context = contextHeaders(wanted, factsOf(known));
  if (outbound === undefined) return context;
  const said = spellingsOf(outbound);
  const left = Object.entries(context).filter(([name]) => !said.has(name));
  return { ...Object.fromEntries(left), ...outbound };
}

function factsOf({ runId, dispatchId, attempt, attribution, runKind, channel }: Known): ContextFacts {
  const { agentId, sessionKey, sessionId, tenantId, endUserId, keyId, tags, metadata } = attribution;
  const ids = { runId, dispatchId, attempt, tenantId, keyId, agentId, sessionKey, sessionId, endUserId };
  return {
    ...ids,
    attempt: String(attempt),
    channel,
    runKind,
    tags: tagsText(tags),
    metadata: metadataText(ids, metadata),
  };
}
