/** The doors for model calls, each as its vendor defined it: a path, what is asked there, and in whose words. */
import type { FastifyInstance } from 'fastify';
import type { GatewayConfig } from '../domain/config.ts';
import { CHAT, EMBEDDINGS, MESSAGES, RESPONSES } from './body-forms.ts';
import { type ModelDoor, type ModelDoorDeps, openDoor } from './model-door.ts';
import * as schemas from './schemas.ts';

type Endpoint = keyof GatewayConfig['endpoints'];

const DOORS: Readonly<Partial<Record<Endpoint, readonly ModelDoor[]>>> = {
  chatCompletions: [
    {
      path: '/v1/chat/completions',
      ask: 'chat',
      speaks: 'openai-completions',
      form: CHAT,
      schema: schemas.CHAT_COMPLETIONS,
    },
    {
      path: '/v1/embeddings',
      ask: 'embeddings',
      speaks: 'openai-completions',
      form: EMBEDDINGS,
      schema: schemas.EMBEDDINGS,
    },
  ],
  responses: [
    { path: '/v1/responses', ask: 'responses', speaks: 'openai-responses', form: RESPONSES, schema: schemas.RESPONSES },
  ],
  messages: [
    { path: '/v1/messages', ask: 'messages', speaks: 'anthropic-messages', form: MESSAGES, schema: schemas.MESSAGES },
    {
      path: '/v1/messages/count_tokens',
      ask: 'countTokens',
      speaks: 'anthropic-messages',
      form: MESSAGES,
      schema: schemas.COUNT_TOKENS,
    },
  ],
};

export function modelDoors(app: FastifyInstance, deps: ModelDoorDeps, endpoints: GatewayConfig['endpoints']): void {
  for (const [endpoint, doors] of Object.entries(DOORS)) {
    if (!endpoints[endpoint as Endpoint]) continue;
    for (const door of doors) openDoor(app, deps, door);
  }
}
