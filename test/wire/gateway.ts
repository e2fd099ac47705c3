/** A gateway in the test's own process, before a scripted provider: what the tests of the WebSocket door stand on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../packages/gateway/src/config/load.ts';
import type { GatewayConfig } from '../../packages/gateway/src/domain/config.ts';
import { type Gateway, startGateway } from '../../packages/gateway/src/gateway.ts';
import { scratchDirectory, scriptedConfig } from '../rig/gateway-process.ts';
import { type Cleanups, lastFirst } from '../rig/last-first.ts';
import { type ScriptedProvider, startScriptedProvider } from '../rig/scripted-provider.ts';

export interface WireRig {
  gateway: Gateway;
  /** As often as anybody likes. */
  stop(): Promise<void>;
  config: GatewayConfig;
  url: string;
  token: string;
  provider: ScriptedProvider;
  stateDir: string;
}

export interface WireRigOptions {
  limits?: Record<string, number>;
  agents?: object;
  auth?: object;
  /** More of the file. */
  extra?: object;
  password?: string;
}

const AGENTS = { entries: { main: { model: 'scripted/ok-3', default: true }, other: { model: 'scripted/ok-3' } } };

/** Closed with the test, or with the file where `t` is that. */
export async function startWireRig(
  cleanups: Cleanups,
  { limits = {}, agents = AGENTS, auth = {}, extra = {}, password }: WireRigOptions = {},
): Promise<WireRig> {
  const t = lastFirst(cleanups);
  const scratch = scratchDirectory(t);
  const provider = await startScriptedProvider(join(scratch, 'journal.ndjson'));
  t.after(() => provider.close());
  const file = join(scratch, 'config.json5');
  const scripted = scriptedConfig(provider.baseUrl, { agents, limits, ...extra }) as { gateway: object };
  writeFileSync(file, JSON.stringify({ ...scripted, gateway: { ...scripted.gateway, auth } }));
  const stateDir = join(scratch, 'state');
  const variables = password === undefined ? {} : { WEIGHBRIDGE_PASSWORD: password };
  const request = { flags: { config: file, stateDir, port: '0' }, variables, createToken: true };
  const loaded = await loadConfig(request);
  const gateway = await startGateway(loaded.config, loaded.secrets, { origin: { loaded, request } });
  let closing: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    closing ??= gateway.close();
    return closing;
  };
  t.after(stop);
  return {
    gateway,
    config: loaded.config,
    stop,
    url: gateway.url,
    token: loaded.secrets.token?.reveal() ?? '',
    provider,
    stateDir,
  };
}
