/**
 * `* /proxy/{provider}/…`: any method and path of a provider, passed through byte for byte and metered. Takes the URL as
 * it was sent, hands the request to the runs, and decides nothing.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerSink } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import { isUpload, type PassCall } from '../domain/pass.ts';
import { HttpAnswerSink } from './answer-sink.ts';
import { receivePassBody } from './pass-body.ts';
import { callerOf } from './policy.ts';
import { PROXY_ROUTE } from './proxy-route.ts';
import { PROXY } from './schemas.ts';
import { clientApiOf, vendorBodyOf } from './vendor-errors.ts';

export interface ProxyDeps {
  runs: { pass(call: PassCall, sink: AnswerSink, callerGone: AbortSignal): Promise<void> };
  limits: { bodyBytesMax: number; unreadTimeoutMs: number };
}

const PROXY_URL = /^\/proxy\/([^/?#]+)(\/[^#]*)?$/;

/** For the server's `rewriteUrl`. */
export function routedUrl(request: IncomingMessage): string {
  const url = request.url ?? '/';
  return url.startsWith('/proxy/') ? PROXY_ROUTE : url;
}

export function proxy(app: FastifyInstance, { runs, limits }: ProxyDeps): void {
  const receive = (request: FastifyRequest, reply: FastifyReply): void => {
    const target = PROXY_URL.exec(request.originalUrl);
    if (target === null) {
      throw new GatewayError('not_found', 'A passed request names a provider and a path: /proxy/{provider}/v1/….');
    }
    if (request.headers.upgrade?.toLowerCase() === 'websocket') {
      throw new GatewayError('unsupported_upgrade', 'WebSocket connections to providers are not passed through.');
    }
    const [, providerId, path = '/'] = target as unknown as [string, string, string?];
    const caller = callerOf(request);
    const api = clientApiOf(request.method, path, request.headers);
    // Nothing of ours stands among the provider's bytes: an answer that breaks off is cut, as the provider's was.
    const form = {
      errorBody: (error: GatewayError) => vendorBodyOf(error, api),
      errorEvent: null,
    };
    const sink = new HttpAnswerSink(reply.raw, limits, form);
    const callerGone = new AbortController();
    reply.hijack();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) callerGone.abort();
    });
    // A request that breaks off closes before its response does, and its upload with it: that is no fault of the exchange.
    request.raw.once('close', () => {
      if (!request.raw.complete) callerGone.abort();
    });
    receivePassBody(request.raw, limits.bodyBytesMax, (body) => {
      const call: PassCall = {
        caller,
        providerId: providerId,
        method: request.method,
        path,
        rawHeaders: request.raw.rawHeaders,
        headers: request.headers as Record<string, string>,
        body,
      };
      const over = runs.pass(call, sink, callerGone.signal).catch((error: unknown) => {
        // `pass` never rejects; if it does all the same, the caller must not wait for ever.
        request.log.error({ err: error }, 'a run ended with an exception');
        sink.fail(new GatewayError('internal', 'Internal error; the log has it.'), {
          runId: 'unknown',
          dispatchId: null,
        });
      });
      // What nobody reads any more would stand in the way of the caller's next request.
      if (isUpload(body)) over.finally(() => body.stream.destroy());
    });
  };
  app.route({
    // TRACE asks a provider to repeat the request, its credential among it.
    method: app.supportedMethods.filter((method) => method !== 'TRACE'),
    url: PROXY_ROUTE,
    config: { scope: 'dispatch', startsRuns: true, takesUploads: true },
    schema: PROXY,
    exposeHeadRoute: false,
    handler: receive,
  });
}
