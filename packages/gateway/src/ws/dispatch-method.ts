/**
 * A request brought to its method, or refused: no such method, a scope that was not granted, a key that may not, params
 * that are not what the published schema says. The same four questions for every method, in this order.
 */
import { isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { RequestFrame } from './frames.ts';
import type { Identity } from './identity.ts';
import type { Method, Peer } from './methods/method.ts';
import type { WireSchemas } from './schemas.ts';
import { allows } from './scopes.ts';
import { invalid, missingScope } from './wire-errors.ts';

export type Methods = ReadonlyMap<string, Method>;

/** Throws GatewayError or WireFailure; gives what the method gives. */
export function dispatchMethod(
  { method: name, params, traceparent }: RequestFrame,
  { identity, peer, interim }: { identity: Identity; peer: Peer; interim: (payload: unknown) => void },
  { methods, schemas }: { methods: Methods; schemas: WireSchemas },
): unknown {
  if (name === 'connect') throw invalid('connect is only valid as the first request');
  const found = methods.get(name);
  if (found === undefined) throw invalid(`unknown method: ${name.slice(0, 100)}`);
  refuseUnlessAllowed(found, identity);
  const given = params ?? {};
  const { schema, extra } = found;
  found.prepare?.(given);
  if (schema !== null) {
    const wrong = schemas.check(schema, extra === undefined ? {} : { extra })(given);
    if (wrong !== null) throw invalid(`invalid ${name} params: ${wrong}`);
  } else if (typeof given !== 'object' || Array.isArray(given)) {
    throw invalid(`invalid ${name} params: must be object`);
  }
  const request = { caller: identity.caller, peer, interim, traceparent: traceparent ?? null };
  return found.run(given as never, request);
}

function refuseUnlessAllowed({ scope, keyScopes, operatorOnly }: Method, { caller, scopes }: Identity): void {
  if (scope !== null && !allows(scopes, scope)) throw missingScope(scope);
  if (isOperator(caller)) return;
  if (operatorOnly) {
    throw new GatewayError(
      'forbidden',
      'This concerns every tenant: it takes the operator’s own credential, not a key.',
    );
  }
  if (keyScopes.length > 0 && !keyScopes.some((own) => caller.scopes.has(own))) {
    throw new GatewayError('forbidden', `missing scope: ${keyScopes.join(' or ')}`);
  }
}
