/**
 * Refuses calls before their body is read, and before the framework sees them: under overload this is most of what the
 * gateway does, and what a refusal costs is taken from the calls that were admitted. The connection stays: what is still
 * coming of the body is dropped by Node, and the caller can send its next call on it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { GatewayError } from '../domain/errors.ts';
import type { Api } from '../domain/provider.ts';
import { SECURITY_HEADERS } from './answer-sink.ts';
import { headersOf } from './errors.ts';
import { clientApiOf, vendorBodyOf } from './vendor-errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route starts runs: whether one may start now is asked before anything of the call is looked at. */
    startsRuns?: boolean;
  }
}

export interface DoorDeps {
  /** Null: the call may come in. */
  atDoor(): GatewayError | null;
}

interface Prepared {
  status: number;
  headers: string[];
  body: string;
}

/** To be called before routes are added. Routes say by `config.startsRuns` that they are meant. */
export function refuseEarly(app: FastifyInstance, door: DoorDeps): void {
  const paths = new Map<string, Api | null>();
  const prefixes: string[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    if (!config?.startsRuns) return;
    if (url.endsWith('*')) prefixes.push(url.slice(0, -1));
    else if (method === 'POST') paths.set(url, config.speaks ?? null);
  });
  const prepared = new Map<Api | null, WeakMap<GatewayError, Prepared>>();
  const preparedFor = (api: Api | null, refusal: GatewayError): Prepared => {
    const own = prepared.get(api) ?? new WeakMap<GatewayError, Prepared>();
    prepared.set(api, own);
    return own.get(refusal) ?? prepare(refusal, api, own);
  };
  app.addHook('onReady', (done) => {
    const server = app.server as Server;
    const [framework, ...others] = server.listeners('request') as RequestListener[];
    if (framework === undefined || others.length > 0)
      throw new Error('the framework listens in another way than it did');
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      const path = withoutQuery(request.url!);
      const isPassed = prefixes.some((prefix) => path.startsWith(prefix));
      const isMeant = isPassed || (request.method === 'POST' && paths.has(path));
      const refusal = isMeant ? door.atDoor() : null;
      if (refusal === null) {
        framework.call(server, request, response);
        return;
      }
      const api = isPassed ? clientApiOf(request.method!, path, request.headers) : (paths.get(path) ?? null);
      answer(response, preparedFor(api, refusal));
    });
    done();
  });
}

type RequestListener = (this: Server, request: IncomingMessage, response: ServerResponse) => void;

/** Anthropic's clients ask for `/v1/messages?beta=true`. */
function withoutQuery(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

function answer(response: ServerResponse, { status, headers, body }: Prepared): void {
  response.writeHead(status, headers).end(body);
}

function prepare(error: GatewayError, api: Api | null, prepared: WeakMap<GatewayError, Prepared>): Prepared {
  const body = JSON.stringify(vendorBodyOf(error, api));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    ...headersOf(error),
    ...SECURITY_HEADERS,
  };
  const made = { status: error.refusal.status, headers: Object.entries(headers).flat(), body };
  prepared.set(error, made);
  return made;
}
