/** `GET /v1/models`: what may be named as `model`, agents first, in OpenAI's list shape as OpenClaw answers it. */
import type { FastifyInstance } from 'fastify';
import type { Caller } from '../domain/caller.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Target } from '../domain/provider.ts';
import { callerOf } from './policy.ts';
import { MODELS } from './schemas.ts';

export interface ModelsDeps {
  agents: GatewayConfig['agents'];
  catalogue: { listed(): Target[] };
}

interface ModelObject {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
  permission: [];
}

export function models(app: FastifyInstance, deps: ModelsDeps): void {
  const options = { config: { scope: 'dispatch' as const }, schema: MODELS };
  app.get('/v1/models', options, (request) => ({ object: 'list', data: modelObjects(deps, callerOf(request)) }));
  app.get<{ Params: { '*': string } }>('/v1/models/*', options, (request) => {
    const id = request.params['*'];
    const found = modelObjects(deps, callerOf(request)).find((model) => model.id === id);
    if (!found) throw new GatewayError('invalid_request', 'Invalid model id.', { param: 'model' });
    return found;
  });
}

/** A key of one agent may name no other. */
function modelObjects({ agents, catalogue }: ModelsDeps, { terms }: Caller): ModelObject[] {
  const own = terms?.agentId ?? null;
  const ids = [...agents.byId.keys()].filter((id) => own === null || id === own).map((id) => `openclaw/${id}`);
  return [
    ...['openclaw', 'openclaw/default', ...ids].map((id) => modelObject(id, 'openclaw')),
    ...catalogue.listed().map(({ provider, model }) => modelObject(`${provider.id}/${model}`, provider.id)),
  ];
}

function modelObject(id: string, owner: string): ModelObject {
  return { id, object: 'model', created: 0, owned_by: owner, permission: [] };
}
