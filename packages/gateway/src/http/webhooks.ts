/** Webhooks over HTTP: endpoints made, listed, switched, tried, sent to again. Decodes, asks the register, answers. */
import type { ReplayRequest } from '@weighbridge/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebhookRegister } from '../webhooks/register.ts';
import { callerOf } from './policy.ts';
import { smallBodyOf } from './small-body.ts';
import {
  CREATE_WEBHOOK,
  DELIVERIES,
  DISABLE_WEBHOOK,
  ENABLE_WEBHOOK,
  REMOVE_WEBHOOK,
  REPLAY_WEBHOOK,
  ROTATE_WEBHOOK,
  TEST_WEBHOOK,
  WEBHOOK,
  WEBHOOKS,
} from './webhook-schemas.ts';

export interface WebhookRoutesDeps {
  webhooks: Pick<
    WebhookRegister,
    'create' | 'list' | 'find' | 'remove' | 'setDisabled' | 'rotate' | 'replay' | 'test' | 'deliveries'
  >;
}

type OfOne = { Params: { id: string } };

export function webhookRoutes(app: FastifyInstance, { webhooks }: WebhookRoutesDeps): void {
  const config = { scope: 'admin' as const };
  const one = '/api/v1/webhooks/:id';

  app.get('/api/v1/webhooks', { config, schema: WEBHOOKS }, async (request) => ({
    object: 'list',
    data: await webhooks.list(callerOf(request)),
    hasMore: false,
    nextCursor: null,
  }));

  app.post('/api/v1/webhooks', { config, schema: CREATE_WEBHOOK }, async (request, reply) => {
    const made = await webhooks.create(await smallBodyOf(request), callerOf(request));
    tell(request, made.id, 'a webhook endpoint was made');
    reply.code(201);
    return made;
  });

  app.get<OfOne>(one, { config, schema: WEBHOOK }, (request) => webhooks.find(request.params.id, callerOf(request)));

  app.delete<OfOne>(one, { config, schema: REMOVE_WEBHOOK }, async (request) => {
    const removed = await webhooks.remove(request.params.id, callerOf(request));
    tell(request, removed.id, 'a webhook endpoint was removed');
    return removed;
  });

  app.post<OfOne>(`${one}/enable`, { config, schema: ENABLE_WEBHOOK }, (request) =>
    webhooks.setDisabled(request.params.id, callerOf(request), null),
  );

  app.post<OfOne>(`${one}/disable`, { config, schema: DISABLE_WEBHOOK }, (request) =>
    webhooks.setDisabled(request.params.id, callerOf(request), 'somebody disabled it'),
  );

  app.post<OfOne>(`${one}/test`, { config, schema: TEST_WEBHOOK }, (request) =>
    webhooks.test(request.params.id, callerOf(request)),
  );

  app.post<OfOne>(`${one}/rotate`, { config, schema: ROTATE_WEBHOOK }, async (request) => {
    const { overlapMs } = (await smallBodyOf(request, {})) as { overlapMs?: number };
    const rotated = await webhooks.rotate(request.params.id, callerOf(request), overlapMs);
    tell(request, rotated.id, 'a webhook endpoint got a new secret');
    return rotated;
  });

  app.post<OfOne>(`${one}/replay`, { config, schema: REPLAY_WEBHOOK }, async (request) => {
    const asked = (await smallBodyOf(request)) as ReplayRequest;
    tell(request, request.params.id, 'a webhook endpoint is sent to again');
    return webhooks.replay(request.params.id, callerOf(request), asked);
  });

  app.get<OfOne & { Querystring: { limit: number; cursor?: string; state?: 'pending' | 'dead' } }>(
    `${one}/deliveries`,
    { config, schema: DELIVERIES },
    (request) => webhooks.deliveries(request.params.id, callerOf(request), request.query),
  );
}

function tell(request: FastifyRequest, endpointId: string, what: string): void {
  request.log.info({ endpointId, by: callerOf(request).keyId }, what);
}
