/** Keys over HTTP: made, listed, revoked. Decodes, asks access, answers; who may make what is decided there. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { keyInfo } from '../access/key-info.ts';
import { keyOrder } from '../access/key-order.ts';
import type { Keys } from '../access/keys.ts';
import { type Caller, isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { callerOf } from './policy.ts';
import { CREATE_KEY, KEYS, REVOKE_KEY } from './schemas.ts';
import { smallBodyOf } from './small-body.ts';

export interface KeyRoutesDeps {
  keys: Pick<Keys, 'create' | 'list' | 'revoke'>;
  clock: Clock;
}

export function keyRoutes(app: FastifyInstance, { keys, clock }: KeyRoutesDeps): void {
  const config = { scope: 'admin' as const };

  app.get<{ Querystring: { limit: number; cursor?: string } }>(
    '/api/v1/keys',
    { config, schema: KEYS },
    async (request) => {
      const { limit, cursor } = request.query;
      const all = await keys.list(tenantSeenBy(callerOf(request)));
      const rest = cursor === undefined ? all : all.filter(({ keyId }) => keyId < cursor);
      const page = rest.slice(0, limit);
      const hasMore = rest.length > page.length;
      const now = clock.now();
      return {
        object: 'list',
        data: page.map((record) => keyInfo(record, now)),
        hasMore,
        nextCursor: hasMore ? page.at(-1)!.keyId : null,
      };
    },
  );

  app.post('/api/v1/keys', { config, schema: CREATE_KEY }, async (request, reply) => {
    const order = keyOrder(await smallBodyOf(request), callerOf(request), clock.now());
    const { text, record } = await keys.create(order);
    tell(request, record.keyId, 'a key was made');
    reply.code(201);
    return { ...keyInfo(record, clock.now()), key: text };
  });

  app.post<{ Params: { id: string } }>('/api/v1/keys/:id/revoke', { config, schema: REVOKE_KEY }, async (request) => {
    const { id } = request.params;
    const record = await keys.revoke(tenantSeenBy(callerOf(request)), id);
    if (record === null) throw new GatewayError('not_found', `There is no key ${id} here.`);
    tell(request, id, 'a key was revoked');
    return keyInfo(record, clock.now());
  });
}

/** Null: of every tenant. */
function tenantSeenBy(caller: Caller): string | null {
  return isOperator(caller) ? null : caller.tenantId;
}

function tell(request: FastifyRequest, keyId: string, what: string): void {
  request.log.info({ keyId, by: callerOf(request).keyId }, what);
}
