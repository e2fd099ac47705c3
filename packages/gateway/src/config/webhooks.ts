/**
 * The webhook endpoints of the file: `gateway.usageWebhookUrl` and `webhooks`. Pure; every refusal goes to the findings and
 * none shows an address's query, a secret or a token. What a name resolves to is looked at when connecting, not here.
 */
import { createHash } from 'node:crypto';
import { signingKey } from '@weighbridge/protocol/webhook';
import {
  type Egress,
  EVENT_TYPES,
  USAGE_EVENTS,
  WEBHOOK_FILTERS,
  WEBHOOK_FORMATS,
  type WebhookEndpoint,
  type WebhookFormat,
} from '../domain/webhook.ts';
import { isLoopbackUrl, TAKEN_HEADERS, urlProblem } from '../domain/webhook-url.ts';
import { parseBlock } from '../lib/addresses.ts';
import { Secret } from '../lib/secret.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import { nearest } from './nearest.ts';
import { OPTIONS } from './options.ts';
import type { FileTree, WebhookTree } from './tree.ts';

const ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const USAGE_URL = 'gateway.usageWebhookUrl';
const USAGE_ID = 'usage';
const DEFAULTS = {
  timeoutMs: OPTIONS['webhooks[].timeoutMs'].default,
  firstMs: OPTIONS['webhooks[].retry.firstMs'].default,
  concurrency: OPTIONS['webhooks[].concurrency'].default,
  batchMax: OPTIONS['webhooks[].batch.max'].default,
  batchWaitMs: OPTIONS['webhooks[].batch.waitMs'].default,
};

export function decideWebhooks(tree: FileTree | null, findings: Findings): WebhookEndpoint[] {
  const usage = tree?.gateway?.usageWebhookUrl;
  const endpoints = [
    ...(usage === undefined ? [] : [usageEndpoint(usage, findings)]),
    ...(tree?.webhooks ?? []).map((entry, index) => fileEndpoint(entry, `webhooks[${index}]`, findings)),
  ];
  const seen = new Set<string>();
  for (const [index, { id }] of endpoints.entries()) {
    if (seen.has(id)) {
      const path = `webhooks[${usage === undefined ? index : index - 1}].id`;
      report(findings, path, 'is that of another endpoint.', 'Two endpoints at one address need an `id` each.');
    }
    seen.add(id);
  }
  return endpoints;
}

function usageEndpoint(url: string, findings: Findings): WebhookEndpoint {
  const egress: Egress = { kind: isLoopbackUrl(url) ? 'loopback' : 'public' };
  checkUrl(url, egress, USAGE_URL, findings);
  return {
    ...fileEndpoint({ url: 'https://example.com' }, USAGE_URL, findings),
    id: USAGE_ID,
    url,
    egress,
    format: 'gateway-usage',
  };
}

function fileEndpoint(entry: WebhookTree, path: string, findings: Findings): WebhookEndpoint {
  const url = entry.url ?? '';
  const egress = egressOf(entry.allowPrivate, `${path}.allowPrivate`, findings);
  checkUrl(url, egress, `${path}.url`, findings);
  const format = WEBHOOK_FORMATS.includes(entry.format as WebhookFormat) ? (entry.format as WebhookFormat) : 'event';
  return {
    id: idOf(entry.id, url, `${path}.id`, findings),
    origin: 'config',
    tenantId: entry.filter?.tenant ?? null,
    url,
    events: eventsOf(entry.events, format, `${path}.events`, findings),
    filter: filterOf(entry.filter ?? {}, `${path}.filter`, findings),
    format,
    secrets: secretsOf(entry.secret ?? [], `${path}.secret`, findings),
    token: entry.token === undefined ? null : new Secret(entry.token),
    tokenHeader: tokenHeaderOf(entry.tokenHeader, `${path}.tokenHeader`, findings),
    timeoutMs: entry.timeoutMs ?? DEFAULTS.timeoutMs,
    firstMs: entry.retry?.firstMs ?? DEFAULTS.firstMs,
    concurrency: entry.ordered === true ? 1 : (entry.concurrency ?? DEFAULTS.concurrency),
    ordered: entry.ordered ?? false,
    batch:
      entry.batch === undefined
        ? null
        : { max: entry.batch.max ?? DEFAULTS.batchMax, waitMs: entry.batch.waitMs ?? DEFAULTS.batchWaitMs },
    egress,
  };
}

function checkUrl(url: string, egress: Egress, path: string, findings: Findings): void {
  const problem = url === '' ? 'is missing' : urlProblem(url, egress);
  if (problem === null) return;
  const hint =
    path === USAGE_URL
      ? 'Use https, or 127.0.0.1; `webhooks: [{url, format: "gateway-usage", allowPrivate}]` can go to a private network.'
      : 'Use https; `allowPrivate` opens http, this machine and private networks.';
  report(findings, path, `${problem}.`, hint);
}

/** Stable over reloads and restarts, and not a place in the list: its cursor hangs on it. */
function idOf(given: string | undefined, url: string, path: string, findings: Findings): string {
  if (given === undefined) return `url-${createHash('sha256').update(url).digest('hex').slice(0, 12)}`;
  if (!ID.test(given) || given === USAGE_ID) {
    report(
      findings,
      path,
      given === USAGE_ID ? `is the name of ${USAGE_URL}.` : 'is not an id.',
      'Use up to 64 lower-case letters, digits, dots, dashes, underscores.',
    );
  }
  return given;
}

function eventsOf(given: string[] | undefined, format: WebhookFormat, path: string, findings: Findings): string[] {
  if (given === undefined) return ['model.usage'];
  if (given.length === 0) report(findings, path, 'is empty: nothing would ever be sent.');
  for (const name of given) {
    const meant = nearest(name, EVENT_TYPES);
    const known = (EVENT_TYPES as readonly string[]).includes(name);
    const hint = meant === null ? `Known: ${EVENT_TYPES.join(', ')}.` : `Did you mean "${meant}"?`;
    if (!known) report(findings, path, `"${name}" is no event.`, hint);
    else if (!USAGE_EVENTS.includes(name) && (format === 'litellm' || format === 'gateway-usage'))
      report(findings, path, `the format ${format} has no words for ${name}.`, 'Use `event` or `cloudevents`.');
  }
  return [...new Set(given)];
}

function filterOf(given: Record<string, string>, path: string, findings: Findings): Record<string, string> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(WEBHOOK_FILTERS, name)) continue;
    const names = Object.keys(WEBHOOK_FILTERS);
    const meant = nearest(name, names);
    report(
      findings,
      `${path}.${name}`,
      'is no filter.',
      meant ? `Did you mean \`${meant}\`?` : `Known: ${names.join(', ')}.`,
    );
  }
  return given;
}

function secretsOf(given: readonly string[], path: string, findings: Findings): WebhookEndpoint['secrets'] {
  return given.map((text) => {
    if (signingKey(text) === null) {
      const hint = 'Write whsec_ and 24 to 64 bytes in base64: echo "whsec_$(openssl rand -base64 32)".';
      report(findings, path, 'is not a secret of Standard Webhooks.', hint);
    }
    return { secret: new Secret(text), expiresAt: null };
  });
}

function tokenHeaderOf(given: string | undefined, path: string, findings: Findings): string | null {
  if (given === undefined) return null;
  const name = given.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) report(findings, path, 'is not a header name.');
  else if (TAKEN_HEADERS.test(name)) report(findings, path, 'is set by the message itself.');
  return name;
}

/** `10.0.0.0/8:443`, `[fd00::/8]:443`; without a port, any. */
function egressOf(given: boolean | string[] | undefined, path: string, findings: Findings): Egress {
  if (given === undefined || given === false) return { kind: 'public' };
  if (given === true) return { kind: 'private' };
  const blocks = given.flatMap((text, index) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const block = parseBlock(bracketed ?? plain ?? text);
    if (block !== null && Number(port ?? 0) <= 65_535)
      return [{ block, port: port === undefined ? null : Number(port) }];
    report(findings, `${path}[${index}]`, 'is not an address block.', 'Write "10.0.0.0/8:443" or "[fd00::/8]:443".');
    return [];
  });
  return { kind: 'blocks', blocks };
}
