/**
 * What may be asked of an endpoint through the API: the strict rule for its address, and for a key its own tenant. Pure. A
 * secret is never given but made; what is refused is never repeated, because it may be one.
 */
import { newSigningSecret } from '@weighbridge/protocol/webhook';
import { type Caller, isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import {
  type Egress,
  EVENT_TYPES,
  USAGE_EVENTS,
  WEBHOOK_FILTERS,
  WEBHOOK_FORMATS,
  type WebhookEndpoint,
  type WebhookFormat,
} from '../domain/webhook.ts';
import { TAKEN_HEADERS, urlProblem } from '../domain/webhook-url.ts';
import { Secret } from '../lib/secret.ts';

const STRICT: Egress = { kind: 'strict' };
const TENANT = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const PROPERTIES = [
  'url',
  'tenantId',
  'events',
  'filter',
  'format',
  'token',
  'tokenHeader',
  'timeoutMs',
  'retry',
  'concurrency',
  'ordered',
  'batch',
];

/** The limits of the options table, by their last names. */
const RANGES = {
  timeoutMs: { min: 1, max: 120_000, default: 15_000 },
  firstMs: { min: 1_000, max: 3_600_000, default: 5_000 },
  concurrency: { min: 1, max: 64, default: 4 },
  max: { min: 1, max: 1_000, default: 100 },
  waitMs: { min: 0, max: 3_600_000, default: 1_000 },
} as const;

/** `asked` is what somebody sent: JSON of any shape. Throws GatewayError. */
export function webhookOrder(asked: unknown, maker: Caller, id: string): WebhookEndpoint {
  const given = objectOf(asked, 'an endpoint', PROPERTIES);
  const format = formatOf(given.format ?? 'event');
  const ordered = booleanOf(given.ordered ?? false, 'ordered');
  const retry = objectOf(given.retry ?? {}, '`retry`', ['firstMs']);
  return {
    id,
    origin: 'stored',
    tenantId: tenantOf(given.tenantId, maker),
    url: urlOf(given.url),
    events: eventsOf(given.events ?? ['model.usage'], format),
    filter: filterOf(given.filter ?? {}),
    format,
    secrets: [{ secret: new Secret(newSigningSecret()), expiresAt: null }],
    token: tokenOf(given.token),
    tokenHeader: tokenHeaderOf(given.tokenHeader),
    timeoutMs: numberOf(given.timeoutMs, 'timeoutMs'),
    firstMs: numberOf(retry.firstMs, 'firstMs'),
    concurrency: ordered ? 1 : numberOf(given.concurrency, 'concurrency'),
    ordered,
    batch: batchOf(given.batch),
    egress: STRICT,
  };
}

function urlOf(asked: unknown): string {
  if (typeof asked !== 'string' || asked === '') throw refused('`url` is missing: where events go.', 'url');
  const problem = urlProblem(asked, STRICT);
  if (problem === null) return asked;
  throw refused(`\`url\` ${problem}. Endpoints that are made here go to public addresses by https.`, 'url');
}

function tenantOf(asked: unknown, maker: Caller): string | null {
  if (!isOperator(maker)) {
    if (asked === undefined || asked === maker.tenantId) return maker.tenantId;
    throw new GatewayError('forbidden', 'This key can make endpoints for its own tenant only.', { param: 'tenantId' });
  }
  if (asked === undefined || asked === null) return null;
  if (typeof asked === 'string' && TENANT.test(asked)) return asked;
  throw refused('`tenantId` must be lower-case letters, digits, `.`, `_` and `-`, at most 64.', 'tenantId');
}

function formatOf(asked: unknown): WebhookFormat {
  if ((WEBHOOK_FORMATS as readonly unknown[]).includes(asked)) return asked as WebhookFormat;
  throw refused(`\`format\` must be one of ${WEBHOOK_FORMATS.join(', ')}.`, 'format');
}

function eventsOf(asked: unknown, format: WebhookFormat): string[] {
  const known: readonly unknown[] = format === 'litellm' || format === 'gateway-usage' ? USAGE_EVENTS : EVENT_TYPES;
  if (Array.isArray(asked) && asked.length > 0 && asked.every((name) => known.includes(name)))
    return [...new Set(asked)];
  throw refused(`\`events\` must be a list of some of ${known.join(', ')}.`, 'events');
}

function filterOf(asked: unknown): Record<string, string> {
  const names = Object.keys(WEBHOOK_FILTERS).filter((name) => name !== 'tenant');
  const filter = objectOf(asked, '`filter`', names);
  const isText = Object.values(filter).every((value) => typeof value === 'string' && value.length <= 512);
  if (isText) return filter as Record<string, string>;
  throw refused('`filter` must be an object of names and texts.', 'filter');
}

function tokenOf(asked: unknown): Secret | null {
  if (asked === undefined || asked === null) return null;
  if (typeof asked === 'string' && /^[\x21-\x7e]{1,512}$/.test(asked)) return new Secret(asked);
  throw refused('`token` must be visible ASCII without spaces, at most 512 characters.', 'token');
}

function tokenHeaderOf(asked: unknown): string | null {
  if (asked === undefined || asked === null) return null;
  const name = typeof asked === 'string' ? asked.toLowerCase() : '';
  if (/^[a-z0-9-]{1,64}$/.test(name) && !TAKEN_HEADERS.test(name)) return name;
  throw refused('`tokenHeader` must be a header that the message does not set itself.', 'tokenHeader');
}

function batchOf(asked: unknown): WebhookEndpoint['batch'] {
  if (asked === undefined || asked === null) return null;
  const batch = objectOf(asked, '`batch`', ['max', 'waitMs']);
  return { max: numberOf(batch.max, 'max'), waitMs: numberOf(batch.waitMs, 'waitMs') };
}

function numberOf(asked: unknown, name: keyof typeof RANGES): number {
  const { min, max, default: usual } = RANGES[name];
  if (asked === undefined) return usual;
  if (Number.isSafeInteger(asked) && (asked as number) >= min && (asked as number) <= max) return asked as number;
  throw refused(`\`${name}\` must be a whole number from ${min} to ${max}.`, name);
}

function booleanOf(asked: unknown, name: string): boolean {
  if (typeof asked === 'boolean') return asked;
  throw refused(`\`${name}\` must be true or false.`, name);
}

function objectOf(asked: unknown, what: string, properties: readonly string[]): Record<string, unknown> {
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) {
    throw refused(`${what} is asked for with a JSON object.`);
  }
  const unknown = Object.keys(asked).find((name) => !properties.includes(name));
  if (unknown === undefined) return asked as Record<string, unknown>;
  throw refused(
    `There is no \`${unknown.slice(0, 80)}\` here; ${what} takes ${properties.join(', ')}.`,
    unknown.slice(0, 80),
  );
}

function refused(message: string, param?: string): GatewayError {
  return new GatewayError('invalid_request', message, param === undefined ? {} : { param });
}
