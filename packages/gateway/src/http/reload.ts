/** `POST /api/v1/reload`: the configuration is read again and swapped, or refused and left as it is. */
import type { FastifyInstance } from 'fastify';
import type { ReloadReport } from '../domain/reload.ts';
import { RELOAD } from './schemas.ts';

export interface ReloadDeps {
  reload(): Promise<ReloadReport>;
}

export function reloading(app: FastifyInstance, reloads: ReloadDeps): void {
  app.post('/api/v1/reload', { config: { scope: 'admin', operatorOnly: true }, schema: RELOAD }, () =>
    reloads.reload(),
  );
}
