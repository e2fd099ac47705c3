/**
 * The providers: those of the file, then the known vendors whose key is in the environment, then, while there is
 * none at all, the demo. Pure; every refusal goes to the findings.
 */
import { RESERVED_NAMES } from '../domain/agent.ts';
import { LITELLM_HEADERS } from '../domain/context-headers.ts';
import { pin } from '../domain/price.ts';
import type { Api, Provider, ProviderModel, UpstreamTimeouts } from '../domain/provider.ts';
import { APIS } from '../domain/provider.ts';
import { Secret } from '../lib/secret.ts';
import { checkBaseUrl } from './base-url.ts';
import { priceOf } from './cost.ts';
import type { Environment, VendorVariables } from './environment.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import { checkAllowList, checkContextHeaders, checkHeaders } from './headers.ts';
import { nearest } from './nearest.ts';
import { API_NAMES, FOREIGN_APIS } from './options.ts';
import type { FileTree, ModelTree, ProviderTree } from './tree.ts';
import { setting } from './tree.ts';
import type { Vendor } from './vendors.ts';
import { baseUrlFor, VENDORS, vendorById, vendorByOrigin, vendorIds } from './vendors.ts';

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NO_VARIABLES: VendorVariables = { key: null, baseUrl: null };

export function decideProviders(
  tree: FileTree | null,
  environment: Environment,
  findings: Findings,
): Map<string, Provider> {
  const providers = new Map<string, Provider>();
  const timeouts = defaultTimeouts(tree);
  for (const [id, entry] of Object.entries(tree?.models?.providers ?? {})) {
    const provider = fileProvider(id, entry, environment, timeouts, findings);
    if (provider !== null) providers.set(id, provider);
  }
  if (setting(tree, 'models.mode') === 'merge') {
    for (const vendor of VENDORS) {
      if (vendor.id in (tree?.models?.providers ?? {})) continue;
      const provider = vendorProvider(vendor, environment, timeouts, findings);
      if (provider !== null) providers.set(vendor.id, provider);
    }
  }
  // Not while problems are open: a provider that was refused is no reason to offer the demo in its place.
  if (providers.size === 0 && findings.problems.length === 0) providers.set('demo', demoProvider(timeouts));
  return providers;
}

/** Answers in process, costs nothing, and exists only so that the first minute needs no key. */
export function demoProvider(timeouts: UpstreamTimeouts): Provider {
  const price = pin('demo', { input: 0n, output: 0n, cacheRead: 0n, cacheWrite: 0n, cacheWrite1h: 0n, 'tool.*': 0n });
  return {
    id: 'demo',
    api: 'openai-completions',
    baseUrl: '',
    kind: 'demo',
    credential: null,
    headers: {},
    models: [
      { id: 'scripted', name: 'A scripted answer', contextWindow: null, maxTokens: null, price, hasOwnCost: true },
    ],
    isVendorOrigin: false,
    vendor: null,
    asksUsage: 'yes',
    timeouts,
  };
}

function fileProvider(
  id: string,
  entry: ProviderTree,
  environment: Environment,
  defaults: UpstreamTimeouts,
  findings: Findings,
): Provider | null {
  const path = `models.providers.${id}`;
  if (!checkId(id, path, findings)) return null;
  const vendor = vendorById(id);
  const variables = environment.vendors.get(id) ?? NO_VARIABLES;
  const baseUrl = fileBaseUrl(entry, vendor, variables, path, findings);
  const api = fileApi(entry, vendor, path, findings);
  const headers = checkHeaders({ ...entry.headers, ...entry.request?.headers }, `${path}.headers`, findings);
  if (baseUrl === null || api === null) return null;
  const provider = withOtherDialects({
    id,
    api,
    baseUrl,
    kind: 'http',
    credential: fileCredential(entry, vendor, variables, path, findings),
    ...(entry.credential === 'caller' ? { takesCallersCredential: true as const } : {}),
    headers,
    ...ownAllowList(entry, path, findings),
    ...ownContext(entry, path, findings),
    models: fileModels(entry.models ?? [], `${path}.models`, findings),
    ...knownOfOrigin(id, baseUrl, api),
    ...pricedAs(entry, path, findings),
    timeouts: providerTimeouts(defaults, entry.timeoutSeconds),
  });
  warnOfFreeVendorModels(provider, path, findings);
  return provider;
}

function vendorProvider(
  vendor: Vendor,
  environment: Environment,
  timeouts: UpstreamTimeouts,
  findings: Findings,
): Provider | null {
  const { key, baseUrl: address } = environment.vendors.get(vendor.id) ?? NO_VARIABLES;
  if (key === null) return null;
  const baseUrl = address === null ? vendor.baseUrl : checkBaseUrl(address.value, address.variable, findings);
  const credential = usableCredential(key.value, key.variable, findings);
  if (baseUrl === null || credential === null) return null;
  return withOtherDialects({
    id: vendor.id,
    api: vendor.api,
    baseUrl,
    kind: 'http',
    credential,
    headers: {},
    models: [],
    ...knownOfOrigin(vendor.id, baseUrl, vendor.api),
    timeouts,
  });
}

function ownAllowList(
  { outboundHeaders }: ProviderTree,
  path: string,
  findings: Findings,
): Pick<Provider, 'outboundAllow'> {
  const given = outboundHeaders?.allow;
  if (given === undefined) return {};
  return { outboundAllow: checkAllowList(given, `${path}.outboundHeaders.allow`, findings) };
}

function ownContext(entry: ProviderTree, path: string, findings: Findings): Pick<Provider, 'contextHeaders'> {
  const presets = entry.kind === 'litellm' ? LITELLM_HEADERS : [];
  const contextHeaders = checkContextHeaders(entry.contextHeaders ?? {}, presets, `${path}.contextHeaders`, findings);
  return contextHeaders.length === 0 ? {} : { contextHeaders };
}

/** Only at the vendor's own address: what a mirror speaks besides its dialect nobody knows. */
function withOtherDialects(provider: Provider): Provider {
  const owner = vendorByOrigin(new URL(provider.baseUrl).origin);
  if (owner === null || baseUrlFor(owner, provider.api) !== provider.baseUrl) return provider;
  const also: Partial<Record<Api, Provider>> = {};
  for (const api of APIS) {
    const baseUrl = api === provider.api ? null : baseUrlFor(owner, api);
    if (baseUrl === null) continue;
    const { asksUsage } = knownOfOrigin(provider.id, baseUrl, api);
    also[api] = { ...provider, api, baseUrl, asksUsage };
  }
  return Object.keys(also).length === 0 ? provider : { ...provider, also };
}

function checkId(id: string, path: string, findings: Findings): boolean {
  if ((RESERVED_NAMES as readonly string[]).includes(id.toLowerCase())) {
    report(findings, path, `"${id}" is a reserved name.`, `Reserved are ${RESERVED_NAMES.join(', ')}; choose another.`);
    return false;
  }
  if (ID.test(id)) return true;
  report(findings, path, 'is not a provider id.', 'Use up to 64 letters, digits, dots, dashes, underscores.');
  return false;
}

function fileBaseUrl(
  entry: ProviderTree,
  vendor: Vendor | null,
  variables: VendorVariables,
  path: string,
  findings: Findings,
): string | null {
  const ofFile = entry.baseUrl === undefined ? null : checkBaseUrl(entry.baseUrl, `${path}.baseUrl`, findings);
  if (variables.baseUrl !== null) {
    const { value, variable } = variables.baseUrl;
    const ofVariable = checkBaseUrl(value, variable, findings);
    if (ofFile !== null && ofFile !== ofVariable)
      findings.warnings.push(`${variable} is used instead of ${path}.baseUrl`);
    return ofVariable;
  }
  if (entry.baseUrl !== undefined) return ofFile;
  if (vendor !== null) return vendor.baseUrl;
  const meant = nearest(
    path.slice('models.providers.'.length),
    VENDORS.map(({ id }) => id),
  );
  report(
    findings,
    `${path}.baseUrl`,
    'is missing.',
    meant === null ? null : `Or did you mean the known vendor "${meant}"?`,
  );
  return null;
}

function fileApi(entry: ProviderTree, vendor: Vendor | null, path: string, findings: Findings): Api | null {
  if (entry.api === undefined) return vendor?.api ?? 'openai-completions';
  if (FOREIGN_APIS.has(entry.api)) {
    findings.warnings.push(`${path}: the dialect "${entry.api}" is not spoken here, so this provider is left out`);
    return null;
  }
  const api = Object.hasOwn(API_NAMES, entry.api) ? API_NAMES[entry.api as keyof typeof API_NAMES] : null;
  if (api !== null) return api;
  const meant = nearest(entry.api, Object.keys(API_NAMES));
  const hint = meant === null ? `Known: ${APIS.join(', ')}.` : `Did you mean "${meant}"?`;
  report(findings, `${path}.api`, `"${entry.api}" is not a dialect that Weighbridge speaks.`, hint);
  return null;
}

/**
 * The environment wins over the file, with one exception: a key of the environment is the vendor's, so it does not
 * replace a key that the file gives for an address that is not the vendor's.
 */
function fileCredential(
  entry: ProviderTree,
  vendor: Vendor | null,
  variables: VendorVariables,
  path: string,
  findings: Findings,
): Secret | null {
  const ofFile = entry.apiKey === undefined ? null : new Secret(entry.apiKey);
  if (variables.key === null) return ofFile;
  const { value, variable } = variables.key;
  if (ofFile === null) return usableCredential(value, variable, findings);
  const elsewhere = entry.baseUrl !== undefined && vendorByOrigin(URL.parse(entry.baseUrl)?.origin ?? '') !== vendor;
  if (elsewhere && variables.baseUrl === null) return ofFile;
  if (!ofFile.equals(value.reveal())) findings.warnings.push(`${variable} is used instead of ${path}.apiKey`);
  return usableCredential(value, variable, findings);
}

function usableCredential(secret: Secret, variable: string, findings: Findings): Secret | null {
  if (/^[\x21-\x7e]+$/.test(secret.reveal())) return secret;
  report(findings, variable, 'has characters that cannot travel in a header.', 'Only visible ASCII, no spaces.');
  return null;
}

function fileModels(entries: readonly ModelTree[], path: string, findings: Findings): ProviderModel[] {
  const models = new Map<string, ProviderModel>();
  for (const [index, entry] of entries.entries()) {
    const place = `${path}[${index}]`;
    if (entry.id === undefined) {
      report(findings, `${place}.id`, 'is missing.');
      continue;
    }
    if (models.has(entry.id)) report(findings, `${place}.id`, `"${entry.id}" is listed twice.`);
    models.set(entry.id, {
      id: entry.id,
      name: entry.name ?? null,
      contextWindow: entry.contextWindow ?? null,
      maxTokens: entry.maxTokens ?? null,
      price: priceOf(entry.cost, `${place}.cost`, findings),
      hasOwnCost: entry.cost !== undefined,
    });
  }
  return [...models.values()];
}

function knownOfOrigin(
  id: string,
  baseUrl: string,
  api: Api,
): Pick<Provider, 'isVendorOrigin' | 'vendor' | 'asksUsage'> {
  const owner = vendorByOrigin(new URL(baseUrl).origin);
  // Behind another address, a mirror or a proxy, it is whom the operator says it is.
  const known = { isVendorOrigin: owner !== null, vendor: owner?.id ?? vendorById(id)?.id ?? null };
  // The other dialects always report: there is nothing to ask.
  if (api !== 'openai-completions') return { ...known, asksUsage: 'no' };
  // A vendor's second dialect at the same origin is not what its row in the table is about.
  const isItsDialect = owner?.api === api;
  return { ...known, asksUsage: isItsDialect ? owner.asksUsage : 'unknown' };
}

/** Whose prices hold, where the file says it. */
function pricedAs(
  { pricedAs: named }: ProviderTree,
  path: string,
  findings: Findings,
): Partial<Pick<Provider, 'vendor'>> {
  if (named === undefined) return {};
  if (named === 'none') return { vendor: null };
  if (vendorIds().includes(named)) return { vendor: named };
  const meant = nearest(named, [...vendorIds(), 'none']);
  const hint = meant === null ? `Known: ${vendorIds().join(', ')}, none.` : `Did you mean "${meant}"?`;
  report(findings, `${path}.pricedAs`, `"${named}" is no vendor whose prices are known.`, hint);
  return {};
}

/** OpenClaw writes zeros for "unknown"; at a vendor who charges that would be an invoice over nothing. */
function warnOfFreeVendorModels(provider: Provider, path: string, findings: Findings): void {
  if (!provider.isVendorOrigin) return;
  const free = provider.models.filter(
    ({ price }) => price !== null && Object.values(price.rates).every((rate) => rate === 0n),
  );
  if (free.length === 0) return;
  const names = free.map(({ id }) => id).join(', ');
  findings.warnings.push(`${path}: cost 0 is recorded for ${names}; leave \`cost\` out if the price is unknown`);
}

function defaultTimeouts(tree: FileTree | null): UpstreamTimeouts {
  return {
    connectTimeoutMs: setting(tree, 'upstream.connectTimeoutMs'),
    firstByteTimeoutMs: setting(tree, 'upstream.firstByteTimeoutMs'),
    idleTimeoutMs: setting(tree, 'upstream.idleTimeoutMs'),
    totalTimeoutMs: setting(tree, 'upstream.totalTimeoutMs'),
  };
}

function providerTimeouts(defaults: UpstreamTimeouts, timeoutSeconds: number | undefined): UpstreamTimeouts {
  if (timeoutSeconds === undefined) return defaults;
  const totalTimeoutMs = timeoutSeconds * 1000;
  // 0 is off, which is longer than anything.
  const atLeast = (limitMs: number) => (limitMs === 0 ? 0 : Math.max(limitMs, totalTimeoutMs));
  return {
    connectTimeoutMs: defaults.connectTimeoutMs,
    firstByteTimeoutMs: atLeast(defaults.firstByteTimeoutMs),
    idleTimeoutMs: atLeast(defaults.idleTimeoutMs),
    totalTimeoutMs,
  };
}
