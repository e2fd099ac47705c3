/**
 * Cuts senders of slow bodies. Node's own request time-out counts from the first byte to the last, for every route alike,
 * and an upload through the pass-through may rightly take hours. So the doors' requests have a time for the whole, and the
 * pass-through's a time in which something must move. Heads have Node's own time-out.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { bodyOf } from './errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its bodies may take as long as they keep moving. */
    takesUploads?: boolean;
  }
}

const LATE = Buffer.from(JSON.stringify(bodyOf(new GatewayError('invalid_request', 'Request timeout'))));

export function cutSlowBodies(app: FastifyInstance, timeoutMs: number): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    const hasBody = encoding !== undefined || (length !== undefined && length !== '0');
    if (hasBody) limit(request.raw, reply.raw, timeoutMs, request.routeOptions.config.takesUploads === true);
    done();
  });
}

function limit(request: IncomingMessage, response: ServerResponse, timeoutMs: number, mayTakeLong: boolean): void {
  // The socket's bytes, not the body's events: listening for those would set the body flowing.
  let bytesRead = request.socket.bytesRead;
  const timer = setInterval(() => {
    if (request.complete) return clearInterval(timer);
    const hasMoved = request.socket.bytesRead > bytesRead;
    bytesRead = request.socket.bytesRead;
    if (!mayTakeLong || !hasMoved) cut(request, response, mayTakeLong);
  }, timeoutMs).unref();
  request.once('close', () => clearInterval(timer));
}

function cut(request: IncomingMessage, response: ServerResponse, isUpload: boolean): void {
  // In the middle of an answer, or of an upload that a provider has begun to read, nothing can be said any more.
  if (isUpload || response.headersSent) {
    request.destroy();
    return;
  }
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': LATE.length };
  response.writeHead(408, { ...headers, connection: 'close' }).end(LATE);
}
