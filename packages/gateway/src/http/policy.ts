/**
 * The one place that lets a request in: every route names the scope it needs, or that it is open, and a route that names
 * neither does not start. Runs before any byte of the body is read.
 */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { presentedCredential } from '../access/authenticate.ts';
import { signInCookie } from '../access/sign-in.ts';
import { type Caller, isOperator, type Scope } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { isForeign, type OwnNames } from '../domain/own-origin.ts';
import { SECURITY_HEADERS } from './answer-sink.ts';
import { hostRefusal } from './malformed.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller's credential must allow; `open` for probes. */
    scope?: Scope | 'open';
    /** Not for keys, whatever their scopes: it concerns every tenant, or what they are billed. */
    operatorOnly?: boolean;
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyInstance {
    /** Every route there is, for the test that tries each with every kind of credential. */
    guarded: { method: string; url: string; scope: Scope | 'open'; operatorOnly: boolean }[];
  }
}

export interface PolicyDeps {
  access: { authenticate(headers: FastifyRequest['headers'], remoteAddress: string): Caller | Promise<Caller> };
  /** As they are in force. */
  ownNames: () => OwnNames;
}

export function guard(app: FastifyInstance, { access, ownNames }: PolicyDeps): void {
  app.decorateRequest('caller', null);
  app.decorate('guarded', []);
  app.addHook('onRoute', ({ method, url, config }) => {
    const { scope, operatorOnly = false } = config ?? {};
    if (scope === undefined) throw new Error(`the route ${method} ${url} names no scope`);
    for (const name of [method].flat()) app.guarded.push({ method: name, url, scope, operatorOnly });
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    const unhosted = hostRefusal(request.raw);
    if (unhosted !== null) return done(unhosted);
    const { scope, operatorOnly = false } = request.routeOptions.config;
    if (scope === 'open' || scope === undefined) return done();
    try {
      refuseForeignOrigin(request, ownNames());
      if (presentedCredential(request.headers) === null) refuseBorrowedCookie(request);
      reply.header('cache-control', 'no-store');
      const admit = (caller: Caller): void => {
        request.caller = caller;
        done(refusalOf(caller, scope, operatorOnly) ?? undefined);
      };
      const found = access.authenticate(request.headers, request.socket.remoteAddress ?? 'unknown');
      if (found instanceof Promise) found.then(admit, done);
      else admit(found);
    } catch (error) {
      done(error as Error);
    }
  });
}

function refusalOf(caller: Caller, scope: Scope, operatorOnly: boolean): GatewayError | null {
  if (!caller.scopes.has(scope)) return new GatewayError('forbidden', `missing scope: ${scope}`);
  if (!operatorOnly || isOperator(caller)) return null;
  return new GatewayError(
    'forbidden',
    'This concerns every tenant: it takes the operator’s own credential, not a key.',
  );
}

export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Error('a guarded route was reached without a caller');
  return request.caller;
}

export function refuseForeignOrigin(request: FastifyRequest, names: OwnNames): void {
  if (!isForeign(request.headers, names)) return;
  throw new GatewayError(
    'forbidden',
    'Requests of other origins are refused; call from the gateway’s own address, or name the origin in `gateway.controlUi.allowedOrigins`.',
  );
}

/**
 * A cookie goes along with whatever a browser sends here, also for a page of another port of this machine, which is the
 * same site to it: only our own page's requests count, and who changes something must say that it comes from there.
 */
function refuseBorrowedCookie({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>): void {
  if (signInCookie(headers) === null) return;
  const { origin, 'sec-fetch-site': site = 'none' } = headers;
  const changes = method !== 'GET' && method !== 'HEAD';
  if ((site === 'none' || site === 'same-origin') && (!changes || origin !== undefined)) return;
  throw new GatewayError('forbidden', 'A sign-in counts for the gateway’s own page only; use a token or a key.');
}
