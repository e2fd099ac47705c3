/**
 * Reads a request's body into one buffer. The framework reads none: it would read one before a 404 or a 405, that is
 * from anybody, and would refuse a body for the spelling of its content type, which no door here looks at.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { GatheredBytes } from '../lib/gathered-bytes.ts';

/** Calls back once, with the body or with `payload_too_large`; never when the peer goes first. */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (error: GatewayError | null, body: Buffer) => void,
): void {
  const body = new GatheredBytes();
  if (Number(request.headers['content-length']) > bytesMax) {
    done(tooLarge(), NO_BODY);
    return;
  }
  const take = (chunk: Buffer): void => {
    body.push(chunk);
    if (body.length <= bytesMax) return;
    request.off('data', take).off('end', finish).resume();
    done(tooLarge(), NO_BODY);
  };
  const finish = (): void => done(null, body.take());
  request.on('data', take).on('end', finish);
  // A peer that breaks off is noticed by its response's close; without a listener the error would end the process.
  request.on('error', () => {});
}

/** The same where somebody waits for it. */
export function bodyOf(request: FastifyRequest, bytesMax: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  readBody(request.raw, bytesMax, (error, body) => (error === null ? resolve(body) : reject(error)));
  return promise;
}

const NO_BODY = Buffer.alloc(0);

function tooLarge(): GatewayError {
  return new GatewayError('payload_too_large', 'Payload too large');
}
