/**
 * Reads the configuration again for a gateway that runs: what can be swapped is the new one's, what holds until the next
 * start stays the old one's and is named. Throws ConfigError, and then nothing has changed. Swapping is the gateway's.
 */
import type { GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import type { Secret } from '../lib/secret.ts';
import { ConfigError } from './findings.ts';
import type { SettingInForce } from './in-force.ts';
import { type LoadedConfig, type LoadRequest, loadConfig } from './load.ts';

export interface Reloaded {
  loaded: LoadedConfig;
  changed: string[];
  needsRestart: string[];
}

export async function loadAgain(request: LoadRequest, before: LoadedConfig): Promise<Reloaded> {
  const read = await loadConfig({ ...request, createToken: false, again: { file: before.file } });
  const isOtherMode = read.config.auth.mode !== before.config.auth.mode;
  const loaded: LoadedConfig = {
    ...read,
    config: withoutRestart(read.config, before.config),
    secrets: isOtherMode ? before.secrets : read.secrets,
  };
  refuseWithoutCredential(loaded);
  const others = read.settings.filter((setting, index) => setting.value !== before.settings[index]?.value);
  return {
    loaded: { ...loaded, settings: read.settings.map((setting, index) => inForce(setting, before.settings[index]!)) },
    changed: [
      ...others.filter(({ needsRestart }) => !needsRestart).map(({ path }) => path),
      ...changedSecrets(loaded, before),
      ...changedIn('models.providers', loaded.config.providers, before.config.providers),
      ...changedIn('agents', loaded.config.agents.byId, before.config.agents.byId),
      ...changedIn('webhooks', webhooksById(loaded), webhooksById(before)),
    ],
    needsRestart: others.filter(({ needsRestart }) => needsRestart).map(({ path }) => path),
  };
}

/** The new configuration with all that `needsRestart` says taken from the old one; a test compares it with the table. */
export function withoutRestart(next: GatewayConfig, before: GatewayConfig): GatewayConfig {
  const { headTimeoutMs, requestTimeoutMs } = before.limits;
  return {
    ...next,
    host: before.host,
    port: before.port,
    stateDir: before.stateDir,
    database: before.database,
    auth: { ...next.auth, mode: before.auth.mode },
    endpoints: before.endpoints,
    ledger: before.ledger,
    plugins: before.plugins,
    limits: { ...next.limits, headTimeoutMs, requestTimeoutMs },
  };
}

function inForce(setting: SettingInForce, before: SettingInForce): SettingInForce {
  return setting.needsRestart ? before : setting;
}

/** A token's file that was removed must neither open the gateway to all nor lock its callers out. */
function refuseWithoutCredential({ config, secrets }: LoadedConfig): void {
  const { mode } = config.auth;
  if (mode === 'none' || (mode === 'token' ? secrets.token : secrets.password) !== null) return;
  const path = `gateway.auth.${mode}`;
  throw new ConfigError(
    [{ path, message: 'is there no more.', hint: 'Put it back, or start the gateway anew.' }],
    null,
  );
}

function changedSecrets({ secrets }: LoadedConfig, { secrets: before }: LoadedConfig): string[] {
  return (['token', 'password'] as const)
    .filter((name) => !isSameSecret(secrets[name], before[name]))
    .map((name) => `gateway.auth.${name}`);
}

function changedIn<Item>(path: string, now: ReadonlyMap<string, Item>, before: ReadonlyMap<string, Item>): string[] {
  const ids = new Set([...now.keys(), ...before.keys()]);
  return [...ids].filter((id) => !isSame(now.get(id), before.get(id))).map((id) => `${path}.${id}`);
}

/** Secrets look alike in every printing form, so they are compared by themselves. */
function isSame(one: unknown, other: unknown): boolean {
  if (textOf(one) !== textOf(other)) return false;
  const [left, right] = [secretsOf(one), secretsOf(other)];
  return left.length === right.length && left.every((secret, index) => isSameSecret(secret, right[index]!));
}

function webhooksById({ config }: LoadedConfig): ReadonlyMap<string, WebhookEndpoint> {
  return new Map(config.webhooks.map((endpoint) => [endpoint.id, endpoint]));
}

function textOf(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
}

/** A provider's credential; an endpoint's token and signing secrets. */
function secretsOf(value: unknown): (Secret | null)[] {
  const { credential, token, secrets } = (value ?? {}) as Partial<Provider & WebhookEndpoint>;
  return [credential ?? null, token ?? null, ...(secrets ?? []).map(({ secret }) => secret)];
}

function isSameSecret(one: Secret | null, other: Secret | null): boolean {
  return one === null || other === null ? one === other : one.equals(other.reveal());
}
