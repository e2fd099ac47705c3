/** A request's body where it is one small JSON object: an order to the gateway itself. Calls of models have their own reader. */
import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { repeatedName, scanObject } from '../lib/json-splice.ts';
import { bodyOf } from './body.ts';

/** Small whatever else may be large. */
const BODY_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 8;

/** What was sent, of any shape inside; what comes empty is `whenEmpty`, where that is given. */
export async function smallBodyOf(request: FastifyRequest, whenEmpty?: object): Promise<unknown> {
  const body = await bodyOf(request, BODY_BYTES_MAX);
  return body.length === 0 && whenEmpty !== undefined ? whenEmpty : parsed(body);
}

function parsed(body: Buffer): unknown {
  const scan = isUtf8(body) ? scanObject(body, 0, DEPTH_MAX) : 'malformed';
  if (typeof scan === 'string') throw new GatewayError('invalid_json', 'The body is not one JSON object.');
  const twice = repeatedName(body, () => true);
  if (twice !== null) throw new GatewayError('duplicate_key', `The JSON body names \`${twice}\` more than once.`);
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new GatewayError('invalid_json', 'The body is not one JSON object.');
  }
}
