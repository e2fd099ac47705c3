/**
 * What `doctor` says of providers and agents; with `--live`, after one GET of each provider's list of models. That costs
 * nothing anywhere, names no model, follows no redirect, and shows whether the address answers and the key is accepted.
 */
import type { GatewayConfig } from '../domain/config.ts';
import type { Api, Provider } from '../domain/provider.ts';
import type { Secret } from '../lib/secret.ts';
import type { Check } from './check.ts';

const LIVE_TIMEOUT_MS = 10_000;

export function providerCheck({ id, kind, baseUrl, api, credential, models, vendor }: Provider): Check {
  const subject = `provider ${id}`;
  if (kind === 'demo') return { subject, verdict: 'note', text: 'a scripted demo, because no provider is configured' };
  const own = models.filter(({ price }) => price !== null).length;
  const others = vendor === null ? 'others have no price' : `others are priced as ${vendor}’s`;
  const prices = `${own} of ${models.length} listed models have a price of their own, ${others}`;
  const key = credential === null ? 'no key' : 'with a key';
  return { subject, verdict: 'ok', text: `${baseUrl}, ${api}, ${key}; ${prices}` };
}

export function agentsCheck({ byId, defaultId }: GatewayConfig['agents']): Check {
  if (byId.size === 0) return { subject: 'agents', verdict: 'note', text: 'none' };
  const named = [...byId.values()].map(({ id, model }) => `${id} (${model})`).join(', ');
  return { subject: 'agents', verdict: 'ok', text: `${named}; default: ${defaultId ?? 'none'}` };
}

/** One request to the provider; never one that could be billed. */
export async function liveCheck(provider: Provider, timeoutMs = LIVE_TIMEOUT_MS): Promise<Check | null> {
  if (provider.kind === 'demo') return null;
  const subject = `live ${provider.id}`;
  const askedAt = performance.now();
  try {
    const response = await fetch(listUrl(provider), {
      headers: { accept: 'application/json', ...provider.headers, ...credentialHeaders(provider) },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const tookMs = Math.round(performance.now() - askedAt);
    await response.body?.cancel();
    return { subject, ...verdictOf(response.status, provider.credential !== null, tookMs) };
  } catch (error) {
    if (causeOf(error).message === 'bad port') {
      return { subject, verdict: 'note', text: 'not asked: fetch refuses its port, though the gateway does not' };
    }
    return { subject, verdict: 'failure', text: `${listUrl(provider)}: ${reasonOf(error, timeoutMs)}` };
  }
}

function verdictOf(status: number, hasKey: boolean, tookMs: number): Pick<Check, 'verdict' | 'text'> {
  if (status < 300) return { verdict: 'ok', text: `answers in ${tookMs} ms${hasKey ? ', and takes the key' : ''}` };
  if (status === 401 || status === 403) {
    return {
      verdict: 'failure',
      text: hasKey ? `refuses the key (${status})` : `wants a key (${status}); none is configured`,
    };
  }
  if (status === 404 || status === 405) {
    return {
      verdict: 'note',
      text: `answers in ${tookMs} ms, but has no list of models (${status}): the key was not tried`,
    };
  }
  if (status < 400)
    return {
      verdict: 'failure',
      text: `answers with a redirect (${status}), which is not followed; correct the baseUrl`,
    };
  return { verdict: 'warning', text: `answers ${status}` };
}

function listUrl({ api, baseUrl }: Provider): string {
  const prefix = api === 'anthropic-messages' && !/\/v1$/.test(baseUrl) ? '/v1' : '';
  return `${baseUrl}${prefix}/models`;
}

function credentialHeaders({ api, credential }: Provider): Record<string, string> {
  return {
    ...(api === 'anthropic-messages' ? { 'anthropic-version': '2023-06-01' } : {}),
    ...keyHeader(api, credential),
  };
}

function keyHeader(api: Api, credential: Secret | null): Record<string, string> {
  if (credential === null) return {};
  if (api === 'anthropic-messages') return { 'x-api-key': credential.reveal() };
  if (api === 'google-generate') return { 'x-goog-api-key': credential.reveal() };
  return { authorization: `Bearer ${credential.reveal()}` };
}

/** What fetch hides in its cause: the name of what went wrong, never what was sent. */
function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`;
  const { code, message } = causeOf(error);
  return `cannot be reached (${code ?? message})`;
}

function causeOf(error: unknown): NodeJS.ErrnoException {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? error.cause : error;
}
