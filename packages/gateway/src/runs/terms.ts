/**
 * What a key decides for each of its calls, whatever the caller sends: its headers, its agent, and its end. Pure. The
 * tenant and the key itself come from the caller, which no header reaches.
 */
import { ATTRIBUTION_HEADERS, familyOf } from '../domain/attribution-headers.ts';
import type { Caller, KeyTerms } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { shown } from './attribution.ts';

type Headers = Readonly<Record<string, string>>;

/** The call as its key wants it. Throws `unauthorized` where the key ended after it was shown. */
export function underTerms<C extends { caller: Caller; headers: Headers }>(call: C): C {
  const { terms } = call.caller;
  if (terms === undefined) return call;
  // The head of a request may be seconds older than its body.
  if (terms.ended.aborted) throw new GatewayError('unauthorized', 'Unauthorized');
  return { ...call, headers: headersUnder(terms, call.headers) };
}

/** Each forced header takes the place of every spelling of the same fact. */
export function headersUnder({ agentId, forced }: Pick<KeyTerms, 'agentId' | 'forced'>, headers: Headers): Headers {
  const own = Object.entries(forced.attribution);
  if (agentId !== null) own.push([ATTRIBUTION_HEADERS.agent[0], agentId]);
  if (own.length === 0) return headers;
  const kept: Record<string, string> = { ...headers };
  for (const [name] of own) for (const spelling of familyOf(name) ?? [name]) delete kept[spelling];
  return Object.assign(kept, Object.fromEntries(own));
}

/** Throws `forbidden` where a call names another agent than its key's: in its model, or by a session of that agent. */
export function refuseOtherAgent({ terms }: Caller, named: string | null): void {
  if (terms === undefined || terms.agentId === null) return;
  if (named === null || named.toLowerCase() === terms.agentId) return;
  throw new GatewayError(
    'forbidden',
    `This key may use the agent '${terms.agentId}' only, not '${shown(named)}'; leave the agent out, or use another key.`,
    { param: 'model' },
  );
}
