/**
 * Refuses calls before their body is read. Under overload this is most of what the gateway does, so the answer is made once
 * for each refusal and goes straight to the raw response. The connection stays: what is still coming of the body is read
 * and dropped by Node, and the caller can send its next call on it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayError } from '../domain/errors.ts';
import { SECURITY_HEADERS } from './answer-sink.ts';
import { bodyOf, headersOf } from './errors.ts';

export interface DoorDeps {
  /** Null: the call may come in. */
  atDoor(): GatewayError | null;
}

interface Prepared {
  status: number;
  headers: Record<string, string | number>;
  body: Buffer;
}

const prepared = new WeakMap<GatewayError, Prepared>();

/** An `onRequest` hook for routes that start runs. */
export function refuseEarly(door: DoorDeps) {
  return (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const refusal = door.atDoor();
    if (refusal === null) {
      done();
      return;
    }
    const { status, headers, body } = preparedOf(refusal);
    reply.hijack();
    reply.raw.writeHead(status, headers);
    reply.raw.end(body);
  };
}

function preparedOf(error: GatewayError): Prepared {
  const known = prepared.get(error);
  if (known !== undefined) return known;
  const body = Buffer.from(JSON.stringify(bodyOf(error)));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...headersOf(error),
    ...SECURITY_HEADERS,
  };
  const made = { status: error.refusal.status, headers, body };
  prepared.set(error, made);
  return made;
}
