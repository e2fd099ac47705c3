/** A passed request made ready to be sent: its provider found, its owner and model read. Refuses only what cannot be sent. */
import { presentedCredential } from '../access/authenticate.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { hasDotSegment } from '../dispatch/pass-path.ts';
import { GatewayError } from '../domain/errors.ts';
import { isUpload, type PassCall } from '../domain/pass.ts';
import type { Provider, Target } from '../domain/provider.ts';
import { endpointOf } from '../providers/endpoints.ts';
import { readPassedRequest, readPassingRequest } from '../providers/passed-request.ts';
import { shown } from './attribution.ts';
import { outboundTo } from './outbound.ts';
import { attributePass } from './resolve-pass.ts';
import type { Plan } from './run.ts';

export interface PassKnowledge {
  providers: ReadonlyMap<string, Provider>;
  /** Without a credential of ours to show, a caller's own is enough. */
  isOpenToAll: boolean;
  catalogue: { find(ref: string): Target | null };
  outboundHeaders: { allow: readonly string[] };
  limits: { tagsMax: number; metadataBytesMax: number };
  dispatcher: Pick<Dispatcher, 'preparePass'>;
}

/** What is asked for where neither path nor body names a model. */
const UNKNOWN_MODEL = 'unknown';
const SECRET_LENGTH_MIN = 8;

/** Throws GatewayError. */
export function planPass(call: PassCall, known: PassKnowledge): Plan {
  const provider = providerOf(call, known);
  refuseUnsendable(call, provider, known);
  const endpoint = endpointOf(call.method, call.path);
  const { body } = call;
  const about = isUpload(body) ? readPassingRequest(endpoint, body.watch) : readPassedRequest(endpoint, body);
  const attribution = attributePass(call, about.user, known.limits);
  const model = about.model ?? UNKNOWN_MODEL;
  const target = known.catalogue.find(`${provider.id}/${model}`) ?? { provider, model };
  return {
    attribution,
    targets: [target],
    // A caller that passes through decides itself what is sent twice.
    retriesMax: 0,
    requestedModel: model,
    source: 'proxy',
    prepare: (of, outlet) => {
      const { allow } = known.outboundHeaders;
      const outbound = outboundTo({ provider, isFallback: false, caller: call.caller, snapshot: of.outbound, allow });
      return known.dispatcher.preparePass({ ...of, call, about, endpoint, outbound }, outlet);
    },
  };
}

function providerOf({ providerId }: PassCall, known: PassKnowledge): Provider {
  const provider = known.providers.get(providerId);
  if (provider === undefined || provider.kind !== 'http') {
    const ids = [...known.providers.values()].filter(({ kind }) => kind === 'http').map(({ id }) => id);
    const there = ids.length === 0 ? 'none is configured' : `there are ${ids.join(', ')}`;
    throw new GatewayError('not_found', `There is no provider '${shown(providerId)}' to pass to; ${there}.`);
  }
  return provider;
}

function refuseUnsendable({ path, headers }: PassCall, provider: Provider, known: PassKnowledge): void {
  if (hasDotSegment(path)) {
    throw new GatewayError('invalid_request', 'The path must not hold `.` or `..` segments.');
  }
  const shownToUs = known.isOpenToAll ? null : presentedCredential(headers);
  // A shorter word may stand in any path.
  if (shownToUs !== null && shownToUs.length >= SECRET_LENGTH_MIN && path.includes(shownToUs)) {
    throw new GatewayError(
      'invalid_request',
      'The URL holds the credential for the gateway, and URLs go to the provider; show it in a header only.',
    );
  }
  if (provider.takesCallersCredential && !known.isOpenToAll && headers['x-weighbridge-key'] === undefined) {
    throw new GatewayError(
      'unauthorized',
      `Provider '${provider.id}' takes the caller's own credential; show the gateway's as \`x-weighbridge-key\`.`,
    );
  }
}
