/** `/openapi.json`, made from the routes' own schemas; built when first asked for, because a start should not wait for it. */
import swagger from '@fastify/swagger';
import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { FastifyInstance } from 'fastify';

export async function openapi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Weighbridge',
        version: WEIGHBRIDGE_VERSION,
        description: 'The meter in front of your models. Errors: docs/errors.md; examples: docs/http.md.',
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'The operator’s token or a key; also taken from x-weighbridge-key (first), x-api-key, x-goog-api-key, api-key.',
          },
        },
      },
    },
  });
}

export function openapiRoute(app: FastifyInstance): void {
  app.get('/openapi.json', { config: { scope: 'read' }, schema: { hide: true } }, () => app.swagger());
}
