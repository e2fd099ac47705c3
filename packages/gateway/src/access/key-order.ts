/**
 * What may be asked of a new key. The operator may make any; a key that may make keys makes them for its own tenant, with
 * no scope, agent, header or time that it lacks itself: making only ever narrows. Pure.
 */
import { RESERVED_NAMES } from '../domain/agent.ts';
import { AGENT_LABEL, familyOf } from '../domain/attribution-headers.ts';
import { type Caller, type ForcedHeaders, isOperator, SCOPES, type Scope } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { isObject } from '../lib/json-object.ts';
import { momentMs } from '../lib/moment.ts';
import { forcedHeaders } from './forced-headers.ts';
import type { KeyOrder } from './keys.ts';

const TENANT = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const NAME_CHARS_MAX = 100;
const PROPERTIES = ['tenantId', 'scopes', 'name', 'agentId', 'expiresAt', 'headers', 'noOutboundHeaders'];

/** `asked` is what somebody sent: JSON of any shape. Throws GatewayError. */
export function keyOrder(asked: unknown, maker: Caller, nowMs: number): KeyOrder {
  if (!isObject(asked)) throw refused('A key is asked for with a JSON object.');
  const unknown = Object.keys(asked).find((name) => !PROPERTIES.includes(name));
  if (unknown !== undefined) {
    throw refused(`There is no \`${unknown.slice(0, 80)}\` here; a key takes ${PROPERTIES.join(', ')}.`, unknown);
  }
  const order: KeyOrder = {
    tenantId: tenantOf(asked.tenantId, maker),
    name: nameOf(asked.name ?? ''),
    scopes: scopesOf(asked.scopes),
    agentId: agentOf(asked.agentId ?? null),
    expiresAt: expiryOf(asked.expiresAt ?? null, nowMs),
    forced: forcedHeaders(headersOf(asked.headers ?? {})),
    ...(isDenied(asked.noOutboundHeaders ?? false) && { noOutboundHeaders: true as const }),
    createdBy: maker.keyId,
  };
  return isOperator(maker) ? order : narrowed(order, maker);
}

function tenantOf(asked: unknown, maker: Caller): string {
  if (asked === undefined && !isOperator(maker)) return maker.tenantId;
  if (typeof asked === 'string' && TENANT.test(asked)) return asked;
  throw refused(
    '`tenantId` must be lower-case letters, digits, `.`, `_` and `-`, at most 64, the first a letter or digit.',
    'tenantId',
  );
}

function nameOf(asked: unknown): string {
  if (typeof asked === 'string' && asked.length <= NAME_CHARS_MAX && !/[\p{Cc}\p{Cs}]/u.test(asked)) return asked;
  throw refused(`\`name\` must be a line of at most ${NAME_CHARS_MAX} characters.`, 'name');
}

function scopesOf(asked: unknown): Scope[] {
  const isKnown = (scope: unknown): scope is Scope => (SCOPES as readonly unknown[]).includes(scope);
  if (Array.isArray(asked) && asked.length > 0 && asked.every(isKnown)) {
    return SCOPES.filter((scope) => asked.includes(scope));
  }
  throw refused(`\`scopes\` must be a list of some of ${SCOPES.join(', ')}.`, 'scopes');
}

function isDenied(asked: unknown): boolean {
  if (typeof asked === 'boolean') return asked;
  throw refused('`noOutboundHeaders` must be true or false.', 'noOutboundHeaders');
}

function agentOf(asked: unknown): string | null {
  if (asked === null) return null;
  const isReserved = RESERVED_NAMES.some((name) => name === asked);
  if (typeof asked === 'string' && AGENT_LABEL.test(asked) && !isReserved) return asked;
  throw refused(
    '`agentId` must be an agent’s id: lower-case letters, digits, `.`, `_` and `-`, at most 64, and no reserved name.',
    'agentId',
  );
}

function expiryOf(asked: unknown, nowMs: number): number | null {
  if (asked === null) return null;
  const ms = momentMs(asked);
  if (ms === null) {
    throw refused('`expiresAt` must be ISO 8601 (2027-01-01T00:00:00Z) or milliseconds since 1970.', 'expiresAt');
  }
  if (ms <= nowMs) throw refused('`expiresAt` is over already.', 'expiresAt');
  return ms;
}

function headersOf(asked: unknown): [string, string][] {
  const entries = isObject(asked) ? Object.entries(asked) : null;
  if (entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return entries;
  throw refused('`headers` must be an object of names and texts.', 'headers');
}

function narrowed(order: KeyOrder, maker: Caller): KeyOrder {
  const { terms } = maker;
  if (terms === undefined) throw new Error('a key has terms');
  if (order.tenantId !== maker.tenantId) {
    throw new GatewayError('forbidden', 'This key can make keys for its own tenant only.', { param: 'tenantId' });
  }
  const beyond = order.scopes.find((scope) => !maker.scopes.has(scope));
  if (beyond !== undefined) {
    throw new GatewayError('forbidden', `This key lacks the scope ${beyond} and cannot give it.`, { param: 'scopes' });
  }
  if (terms.agentId !== null && order.agentId !== null && order.agentId !== terms.agentId) {
    throw new GatewayError('forbidden', `This key can make keys of the agent '${terms.agentId}' only.`, {
      param: 'agentId',
    });
  }
  return {
    ...order,
    agentId: terms.agentId ?? order.agentId,
    expiresAt: earlier(order.expiresAt, terms.expiresAt),
    forced: overruled(order.forced, terms.forced),
    ...(terms.noOutboundHeaders && { noOutboundHeaders: true as const }),
  };
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** What the maker is forced to say, its keys say too. */
function overruled(asked: ForcedHeaders, makers: ForcedHeaders): ForcedHeaders {
  const own = [...Object.keys(makers.attribution), ...Object.keys(makers.outbound)];
  const overruledNames = new Set(own.flatMap((name) => familyOf(name) ?? [name]));
  const left = (headers: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => !overruledNames.has(name)));
  return {
    attribution: { ...left(asked.attribution), ...makers.attribution },
    outbound: { ...left(asked.outbound), ...makers.outbound },
  };
}

function refused(message: string, param?: string): GatewayError {
  return new GatewayError('invalid_request', message, param === undefined ? {} : { param });
}
