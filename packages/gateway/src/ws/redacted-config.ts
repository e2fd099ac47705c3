/**
 * `config.get`: what the gateway runs on, in the shape of OpenClaw's file, with every credential and every header's value
 * replaced as OpenClaw replaces them. Made from what was decided, never from the file's text: what stands in a comment or
 * under an unknown key cannot get out. Pure.
 */
import { createHash } from 'node:crypto';
import type { GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';

const REDACTED = '__OPENCLAW_REDACTED__';

export function redactedConfig(config: GatewayConfig, file: string | null): Record<string, unknown> {
  const shown = shapeOf(config);
  const raw = JSON.stringify(shown, null, 2);
  const hash = createHash('sha256').update(raw).digest('hex');
  return {
    path: file ?? '',
    exists: file !== null,
    raw,
    parsed: shown,
    sourceConfig: shown,
    resolved: shown,
    valid: true,
    runtimeConfig: shown,
    config: shown,
    hash,
    configRevisionHash: hash,
    appliedConfigHash: hash,
    issues: [],
    warnings: config.warnings.map((message) => ({ path: '', message })),
    legacyIssues: [],
  };
}

function shapeOf({ host, port, auth, endpoints, outboundHeaders, providers, agents, limits }: GatewayConfig): object {
  const enabled = (isEnabled: boolean) => ({ enabled: isEnabled });
  return {
    gateway: {
      mode: 'local',
      host,
      port,
      auth: { mode: auth.mode, ...(auth.mode === 'none' ? {} : { [auth.mode]: REDACTED }) },
      http: {
        endpoints: {
          chatCompletions: enabled(endpoints.chatCompletions),
          responses: enabled(endpoints.responses),
          messages: enabled(endpoints.messages),
          proxy: enabled(endpoints.proxy),
        },
      },
      outboundHeaders: { allow: outboundHeaders.allow },
    },
    models: { providers: Object.fromEntries(Array.from(providers.values(), (own) => [own.id, providerShape(own)])) },
    agents: {
      entries: Object.fromEntries(
        Array.from(agents.byId.values(), ({ id, model, fallbacks }) => [
          id,
          { model: { primary: model, fallbacks }, ...(id === agents.defaultId ? { default: true } : {}) },
        ]),
      ),
    },
    limits,
  };
}

function providerShape({ api, baseUrl, credential, headers, models }: Provider): object {
  return {
    baseUrl: withoutUser(baseUrl),
    api,
    ...(credential === null ? {} : { apiKey: REDACTED }),
    headers: Object.fromEntries(Object.keys(headers).map((name) => [name, REDACTED])),
    models: models.map(({ id, name, contextWindow, maxTokens }) => ({
      id,
      ...(name === null ? {} : { name }),
      ...(contextWindow === null ? {} : { contextWindow }),
      ...(maxTokens === null ? {} : { maxTokens }),
    })),
  };
}

/** Some write a password, or a key as a parameter, into an address. */
function withoutUser(baseUrl: string): string {
  if (baseUrl === '') return '';
  try {
    const { protocol, host, pathname, search } = new URL(baseUrl);
    return `${protocol}//${host}${pathname}${search === '' ? '' : `?${REDACTED}`}`;
  } catch {
    return REDACTED;
  }
}
