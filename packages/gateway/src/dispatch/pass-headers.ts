/**
 * Which headers of a passed request go to the provider, and which of its answer come back: all but those about the
 * connection, cookies, credentials and what is ours. Names keep their case and order, repeats stay repeats. Pure.
 */
import { CREDENTIAL_HEADERS } from '../access/authenticate.ts';
import type { Provider } from '../domain/provider.ts';
import type { UpstreamHeaders } from '../providers/transport.ts';
import { HOP_BY_HOP, HOP_HEADER, isUpstreamOnly, namedByConnection } from './headers.ts';

export interface PassedHeaders {
  provider: Provider;
  /** In front of everything: the provider's credential; null where it has none, or where the caller's own passes. */
  credential: readonly [name: string, value: string] | null;
  dispatchId: string;
  /** The gateways that the request has come through, this one last. */
  hops: string;
  /** As received: alternating names and values. */
  received: readonly string[];
  /** What the session and the caller's key send to this provider, lower-cased. */
  outbound: Readonly<Record<string, string>>;
  /** What is said in the caller's place, in every spelling: a provider that reads another must not be told otherwise. */
  withheld: ReadonlySet<string>;
  /** Our own credential, so that it is not sent on where the caller's passes. */
  presented: string | null;
  /** We asked for usage, so the answer must be readable as it passes. */
  wantsIdentity: boolean;
  /** Of a body that is streamed, as announced; null: it is set from the body, or the body comes in chunks. */
  length: string | null;
}

const DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'host',
  // Set anew from the body that is sent.
  'content-length',
  'expect',
  'cookie',
  'cookie2',
]);
const CREDENTIALS: ReadonlySet<string> = new Set(CREDENTIAL_HEADERS);

export function passedHeaders(options: PassedHeaders): string[] {
  const { provider, credential, dispatchId, hops, wantsIdentity, length } = options;
  const sent: string[] = [];
  const names = new Set<string>();
  const add = (name: string, value: string): void => {
    sent.push(name, value);
    names.add(name.toLowerCase());
  };
  if (credential !== null) add(...credential);
  if (length !== null) add('content-length', length);
  if (wantsIdentity) add('accept-encoding', 'identity');
  if (!provider.isVendorOrigin) add(HOP_HEADER, hops);
  for (const [name, value] of Object.entries(options.outbound)) add(name, value);
  const owned = new Set(names);
  const dropped = droppedBy(options);
  for (let at = 0; at + 1 < options.received.length; at += 2) {
    const [name, value] = [options.received[at]!, options.received[at + 1]!];
    const lower = name.toLowerCase();
    if (!owned.has(lower) && !dropped(lower, value)) add(name, value);
  }
  // The operator's are defaults: what a caller says itself wins.
  for (const [name, value] of Object.entries(provider.headers)) if (!names.has(name)) add(name, value);
  if (!names.has('x-client-request-id')) add('x-client-request-id', dispatchId);
  return sent;
}

function droppedBy({
  received,
  provider,
  presented,
  withheld,
}: PassedHeaders): (name: string, value: string) => boolean {
  const connection = received.filter((_, at) => at % 2 === 1 && received[at - 1]!.toLowerCase() === 'connection');
  const named = connection.length === 0 ? null : namedByConnection(connection.join());
  return (name, value) => {
    if (DROPPED.has(name) || named?.includes(name) || name.startsWith('x-weighbridge-')) return true;
    if (withheld.has(name)) return true;
    if (!CREDENTIALS.has(name)) return false;
    // A provider without a credential takes nobody's: what the caller shows in these is ours.
    return !provider.takesCallersCredential || (presented !== null && value.includes(presented));
  };
}

/** What of the answer's head goes to the caller. The length stays: the bytes are the same. */
export function passedAnswerHeaders(headers: UpstreamHeaders): Record<string, string | string[]> {
  const named = namedByConnection(headers.connection);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const isKept = name === 'content-length' || !isUpstreamOnly(name);
    if (value === undefined || named?.includes(name) || !isKept) continue;
    kept[name] = value;
  }
  return kept;
}
