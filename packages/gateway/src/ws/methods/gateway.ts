/** Methods about the gateway itself: how it is, who is here, what it is set to, what it logged. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import type { LogsTailParams } from '@openclaw/gateway-protocol';
import type { GatewayConfig } from '../../domain/config.ts';
import type { LineRing } from '../../lib/line-ring.ts';
import type { Health, HealthView } from '../health.ts';
import type { PresenceEntry } from '../presence.ts';
import { redactedConfig } from '../redacted-config.ts';
import { type Method, type MethodRequest, method } from './method.ts';

const TAIL_LINES = 500;
const TAIL_BYTES = 250_000;

export interface GatewayMethodsDeps {
  version: string;
  ledgerId: () => string;
  config: () => GatewayConfig;
  configFile: () => string | null;
  health: Health;
  healthView(request: MethodRequest): HealthView;
  presence(request: MethodRequest): PresenceEntry[];
  status(request: MethodRequest): Promise<Record<string, unknown>>;
  lines: LineRing;
}

const READ = { scope: 'operator.read', keyScopes: ['read', 'dispatch'] } as const;

export function gatewayMethods(deps: GatewayMethodsDeps): Method[] {
  const { version, health, config } = deps;
  return [
    method<{ probe?: boolean }>({
      name: 'health',
      scope: null,
      keyScopes: [],
      schema: null,
      run: (_params, request) => health.of(deps.healthView(request)),
    }),
    method<{ includeCliProjection?: boolean }>({
      name: 'status',
      ...READ,
      schema: null,
      run: async ({ includeCliProjection = false }, request) => ({
        runtimeVersion: version,
        ...(includeCliProjection ? { cliProjection: projection(config()) } : {}),
        ...(await deps.status(request)),
        eventLoop: health.eventLoop(),
        processMemory: memory(),
        pid: process.pid,
      }),
    }),
    method({ name: 'system-presence', ...READ, schema: null, run: (_params, request) => deps.presence(request) }),
    method({
      name: 'gateway.identity.get',
      ...READ,
      schema: null,
      run: () => identityOf(deps.ledgerId()),
    }),
    method({
      name: 'config.get',
      ...READ,
      operatorOnly: true,
      schema: 'ConfigGetParams',
      run: () => redactedConfig(config(), deps.configFile()),
    }),
    method<LogsTailParams>({
      name: 'logs.tail',
      ...READ,
      operatorOnly: true,
      schema: 'LogsTailParams',
      run: ({ cursor, limit = TAIL_LINES, maxBytes = TAIL_BYTES }) => {
        const page = deps.lines.page({ ...(cursor === undefined ? {} : { cursor }), limit, bytesMax: maxBytes });
        const lines = page.lines.map(asOpenclawLogs);
        return { file: 'weighbridge (last lines, in memory)', size: deps.lines.size, ...page, lines };
      },
    }),
  ];
}

const LEVELS: Readonly<Record<number, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** Under the names that OpenClaw's clients look for. */
function asOpenclawLogs(line: string): string {
  try {
    const { level, time, msg, ...about } = JSON.parse(line) as { level: number; time: string; msg: string };
    const said = Object.keys(about).length === 0 ? msg : `${msg} ${JSON.stringify(about)}`;
    const logLevelName = LEVELS[level] ?? 'INFO';
    return JSON.stringify({ 0: said, _meta: { date: time, logLevelName, name: 'weighbridge' }, time, message: said });
  } catch {
    return line;
  }
}

function projection({ agents }: GatewayConfig): object {
  const ids = [...agents.byId.keys()];
  return {
    agents: {
      defaultId: agents.defaultId ?? ids[0] ?? 'main',
      ownership: ids.length === 1 ? 'sole' : 'explicit',
      selectionRequired: agents.defaultId === null && ids.length > 1,
      rows: ids.map((id) => ({ id })),
    },
    updateChannel: null,
    memoryPlugin: { enabled: false, slot: null },
  };
}

function memory(): object {
  const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  return {
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
    arrayBuffersBytes: arrayBuffers,
  };
}

/** A name that lasts as long as the ledger does. Nothing is ever signed with it, so that it needs no secret. */
function identityOf(ledgerId: string): { deviceId: string; publicKey: string } {
  const seed = createHash('sha256').update(`weighbridge identity ${ledgerId}`).digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const raw = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { deviceId: createHash('sha256').update(raw).digest('hex'), publicKey: raw.toString('base64url') };
}
