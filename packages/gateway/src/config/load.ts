/**
 * Reading, deciding and secrets, tied together: the one way to a configuration. Everything that verbs differ in is the
 * argument: only a gateway that starts makes a token.
 */
import type { GatewayConfig, GatewaySecrets } from '../domain/config.ts';
import { decide } from './decide.ts';
import type { Variables } from './environment.ts';
import { readEnvironment } from './environment.ts';
import { readConfigFile, stateDirOf } from './file.ts';
import type { SettingInForce } from './in-force.ts';
import type { Flags } from './inputs.ts';
import { localAddresses } from './listener.ts';
import type { TokenOrigin } from './secrets.ts';
import { holdSecrets } from './secrets.ts';

export interface LoadedConfig {
  config: GatewayConfig;
  secrets: GatewaySecrets;
  /** The config file in use; null for the built-in configuration. */
  file: string | null;
  token: TokenOrigin | null;
  /** Every option, its value and where it came from. */
  settings: readonly SettingInForce[];
}

export interface LoadRequest {
  flags?: Flags;
  variables?: Variables;
  /** Make `STATE_DIR/token` where a token is needed and nobody gave one. */
  createToken?: boolean;
  /** A gateway runs on this file, or on none: it may be being written just now, and must not have vanished. */
  again?: { file: string | null };
}

/** Rejects with a ConfigError that lists everything that is wrong. */
export async function loadConfig(request: LoadRequest = {}): Promise<LoadedConfig> {
  const { flags = {}, variables = process.env, createToken = false, again = null } = request;
  const environment = readEnvironment(variables);
  const stateDir = stateDirOf(flags, environment);
  const file = await readConfigFile(flags, environment, stateDir, again);
  const { config, given, settings } = decide({ flags, environment, file, stateDir, localAddresses: localAddresses() });
  const held = holdSecrets(config.auth.mode, given, stateDir, createToken);
  return {
    config: { ...config, warnings: [...config.warnings, ...held.warnings] },
    secrets: held.secrets,
    file: file?.path ?? null,
    token: held.token,
    settings,
  };
}
