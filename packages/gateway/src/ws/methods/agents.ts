/** Methods about agents and models: what is configured, in OpenClaw's shapes. */
import type { AgentIdentityParams } from '@openclaw/gateway-protocol';
import type { Caller } from '../../domain/caller.ts';
import type { GatewayConfig } from '../../domain/config.ts';
import type { Target } from '../../domain/provider.ts';
import { agentOfKey } from '../../sessions/keys.ts';
import { agentsSeenBy, mainAgent } from '../agents-seen.ts';
import { THINKING } from '../thinking.ts';
import { invalid } from '../wire-errors.ts';
import { type Method, method } from './method.ts';

export interface AgentMethodsDeps {
  config: () => Pick<GatewayConfig, 'agents'>;
  catalogue: { listed(): Target[] };
}

const READ = { scope: 'operator.read', keyScopes: ['read', 'dispatch'] } as const;
export function agentMethods({ config, catalogue }: AgentMethodsDeps): Method[] {
  return [
    method({
      name: 'agents.list',
      ...READ,
      schema: 'AgentsListParams',
      run: (_params, { caller }) => agentsList(config(), caller),
    }),
    method<AgentIdentityParams>({
      name: 'agent.identity.get',
      ...READ,
      schema: 'AgentIdentityParams',
      run: ({ agentId, sessionKey }, { caller }) => {
        const { agents } = config();
        const asked = agentId ?? (sessionKey === undefined ? null : agentOfKey(sessionKey)) ?? mainAgent(agents);
        const agent = agentsSeenBy(caller, agents).find(({ id }) => id === asked.toLowerCase());
        if (agent === undefined) throw invalid(`unknown agent id "${asked.slice(0, 64)}"`);
        return { agentId: agent.id, name: agent.id, nameSource: 'config', avatar: agent.id[0]!.toUpperCase() };
      },
    }),
    method<{ view?: string }>({
      name: 'models.list',
      ...READ,
      schema: 'ModelsListParams',
      extra: { includeDetails: { type: 'boolean' } },
      run: () => ({ models: modelsOf(config(), catalogue.listed()) }),
    }),
    method({
      name: 'models.authStatus',
      ...READ,
      operatorOnly: true,
      schema: null,
      run: (_params) => ({ ts: Date.now(), providers: providersOf(catalogue.listed()), providerCapabilities: [] }),
    }),
  ];
}

function agentsList({ agents }: Pick<GatewayConfig, 'agents'>, caller: Caller): object {
  const seen = agentsSeenBy(caller, agents);
  return {
    defaultId: mainAgent(agents),
    ownership: agents.byId.size === 1 ? 'sole' : 'explicit',
    selectionRequired: agents.defaultId === null && agents.byId.size > 1,
    mainKey: 'main',
    scope: 'per-sender',
    agents: seen.map(({ id, model, fallbacks }) => ({
      id,
      kind: 'agent',
      model: { primary: model, ...(fallbacks.length > 0 ? { fallbacks } : {}) },
      ...THINKING,
    })),
  };
}

export function modelsOf({ agents }: Pick<GatewayConfig, 'agents'>, targets: readonly Target[]): object[] {
  const main = agents.byId.get(mainAgent(agents))?.model;
  return targets.map(({ provider, model: id }) => {
    const { name = null, contextWindow = null } = provider.models.find((own) => own.id === id) ?? {};
    return {
      id,
      name: name ?? id,
      provider: provider.id,
      ...(contextWindow === null ? {} : { contextWindow }),
      ...(`${provider.id}/${id}` === main ? { tags: ['default'] } : {}),
      available: provider.kind === 'demo' || provider.credential !== null || provider.takesCallersCredential === true,
    };
  });
}

function providersOf(targets: readonly Target[]): object[] {
  const byId = new Map(targets.map(({ provider }) => [provider.id, provider]));
  return Array.from(byId.values(), ({ id, credential }) => ({
    provider: id,
    authProvider: id,
    displayName: id,
    status: credential === null ? 'missing' : 'static',
    profiles: [],
  }));
}
