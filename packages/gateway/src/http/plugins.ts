/** Plugins over HTTP: how each stands, and its events once more. They see every tenant, so all of it is the operator's. */
import type { PluginReplay } from '@weighbridge/protocol';
import type { FastifyInstance } from 'fastify';
import type { PluginRegister } from '../plugins/register.ts';
import { PLUGIN, PLUGINS, REPLAY_PLUGIN } from './plugin-schemas.ts';
import { callerOf } from './policy.ts';
import { smallBodyOf } from './small-body.ts';

export interface PluginRoutesDeps {
  plugins: Pick<PluginRegister, 'list' | 'find' | 'replay'>;
}

type OfOne = { Params: { id: string } };

export function pluginRoutes(app: FastifyInstance, { plugins }: PluginRoutesDeps): void {
  const config = { scope: 'admin' as const, operatorOnly: true };

  app.get('/api/v1/plugins', { config, schema: PLUGINS }, async () => ({
    object: 'list',
    data: await plugins.list(),
    hasMore: false,
    nextCursor: null,
  }));

  app.get<OfOne>('/api/v1/plugins/:id', { config, schema: PLUGIN }, (request) => plugins.find(request.params.id));

  app.post<OfOne>('/api/v1/plugins/:id/replay', { config, schema: REPLAY_PLUGIN }, async (request) => {
    const asked = (await smallBodyOf(request)) as PluginReplay;
    const { id } = request.params;
    request.log.info({ plugin: id, by: callerOf(request).keyId }, 'a plugin gets events again');
    return plugins.replay(id, asked);
  });
}
