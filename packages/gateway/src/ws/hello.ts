/** The payload of `hello-ok`: what this gateway is, what it can do, how things stand, what this client may do. Pure. */
import type { GatewayConfig } from '../domain/config.ts';
import type { StateVersion } from './frames.ts';
import type { HealthSnapshot } from './health.ts';
import type { Identity } from './identity.ts';
import type { PresenceEntry } from './presence.ts';

/** What we send; the rest of OpenClaw's events has nothing here to tell of. */
export const EVENTS = [
  'connect.challenge',
  'agent',
  'chat',
  'session.message',
  'sessions.changed',
  'presence',
  'tick',
  'shutdown',
  'health',
] as const;

/** `published-model-catalog`: `models.list` answers with details when it is asked to. */
const CAPABILITIES = ['published-model-catalog'];

export interface HelloFacts {
  version: string;
  bootId: string;
  connId: string;
  methods: readonly string[];
  identity: Identity;
  presence: PresenceEntry[];
  health: HealthSnapshot;
  stateVersion: StateVersion;
  uptimeMs: number;
  isDraining: boolean;
  config: Pick<GatewayConfig, 'agents' | 'auth' | 'limits'>;
}

export function helloOf(facts: HelloFacts): Record<string, unknown> {
  const { version, bootId, connId, methods, identity, config } = facts;
  const { agents, auth, limits } = config;
  const mainAgent = agents.defaultId ?? [...agents.byId.keys()][0] ?? 'main';
  return {
    type: 'hello-ok',
    protocol: identity.protocol,
    server: { version, bootId, connId },
    features: { methods, events: EVENTS, capabilities: CAPABILITIES },
    snapshot: {
      suspension: { phase: facts.isDraining ? 'draining' : 'accepting' },
      presence: facts.presence,
      health: facts.health,
      stateVersion: facts.stateVersion,
      uptimeMs: facts.uptimeMs,
      sessionDefaults: {
        defaultAgentId: mainAgent,
        modelConfigured: agents.byId.size > 0,
        ownership: agents.byId.size === 1 ? 'sole' : 'explicit',
        selectionRequired: agents.defaultId === null && agents.byId.size > 1,
        mainKey: 'main',
        mainSessionKey: `agent:${mainAgent}:main`,
        scope: 'per-sender',
      },
      authMode: auth.mode,
    },
    auth: { role: 'operator', scopes: [...identity.scopes] },
    policy: {
      maxPayload: limits.frameBytesMax,
      maxBufferedBytes: limits.socketUnsentBytesMax,
      tickIntervalMs: limits.tickIntervalMs,
    },
  };
}
