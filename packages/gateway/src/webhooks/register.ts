/**
 * What is done to endpoints: made, removed, switched, tried, sent to again. Each order is a write that every gateway on the
 * database hears of; the one that runs the endpoint begins anew with it.
 */
import {
  type CreatedWebhook,
  type DeliveryInfo,
  type DispatchRecord,
  type List,
  makeUsage,
  type ReplayRequest,
  type WebhookInfo,
  type WebhookTest,
} from '@weighbridge/protocol';
import { newSigningSecret } from '@weighbridge/protocol/webhook';
import { type Caller, DEFAULT_TENANT, isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { SigningSecret } from '../domain/webhook.ts';
import type { EventLog } from '../events/log.ts';
import { replayStart } from '../events/replay-start.ts';
import type { Clock } from '../lib/clock.ts';
import type { IdSource } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import type { Store } from '../store/store.ts';
import { outgoing } from './message.ts';
import { webhookOrder } from './order.ts';
import {
  type DeliveriesQuestion,
  endpointInfo,
  type KnownEndpoint,
  knownEndpoints,
  listDeliveries,
} from './questions.ts';
import type { Ability, EndpointLimit, EndpointName, NewEndpoint, Rewind } from './scripts.ts';
import { Sender } from './sender.ts';
import { definitionText, secretsText, tenantKey } from './stored.ts';
import type { Webhooks } from './webhooks.ts';

/** How long an old secret goes on signing beside its successor, unless told. */
const OVERLAP_MS = 24 * 3_600_000;
const OVERLAP_MS_MAX = 7 * 24 * 3_600_000;

export interface RegisterDeps {
  store: Store;
  events: Pick<EventLog, 'lastSeq'>;
  clock: Clock;
  ids: Pick<IdSource, 'next'>;
  webhooks: Pick<Webhooks, 'ofFile' | 'view' | 'refresh' | 'restart' | 'senderDeps'>;
  /** How many endpoints may be stored, in all and for one tenant. */
  limits: () => { webhooksMax: number; webhooksPerTenantMax: number };
}

export class WebhookRegister {
  readonly #deps: RegisterDeps;

  constructor(deps: RegisterDeps) {
    this.#deps = deps;
  }

  /** Makes an endpoint and gives its secret, which nobody can read again. */
  async create(asked: unknown, maker: Caller): Promise<CreatedWebhook> {
    const { store, clock, ids, webhooks, limits } = this.#deps;
    const endpoint = webhookOrder(asked, maker, ids.next('whk'));
    const { webhooksMax, webhooksPerTenantMax } = limits();
    const full = await store.write<EndpointLimit | null>('addEndpoints', {
      tenantId: tenantKey(endpoint.tenantId),
      endpointId: endpoint.id,
      definition: definitionText(endpoint),
      secrets: secretsText(endpoint),
      createdBy: maker.keyId,
      now: clock.now(),
      // Those for every tenant are the operator's own.
      max: { all: webhooksMax, tenant: endpoint.tenantId === null ? webhooksMax : webhooksPerTenantMax },
    } satisfies NewEndpoint);
    if (full === 'all') {
      throw new GatewayError(
        'invalid_request',
        `There are ${webhooksMax} endpoints already; remove one, or raise limits.webhooksMax.`,
      );
    }
    if (full === 'tenant') {
      throw new GatewayError(
        'invalid_request',
        `This tenant has ${webhooksPerTenantMax} endpoints already; remove one, or raise limits.webhooksPerTenantMax.`,
      );
    }
    await webhooks.refresh();
    return { ...(await this.find(endpoint.id, maker)), secret: endpoint.secrets[0]!.secret.reveal() };
  }

  /** Those that a caller may see: the operator all, a key those of its tenant. */
  async list(caller: Caller): Promise<WebhookInfo[]> {
    const known = await this.#known(caller);
    return Promise.all(known.map((one) => this.#info(one)));
  }

  async find(id: string, caller: Caller): Promise<WebhookInfo> {
    return this.#info(await this.#one(id, caller));
  }

  async remove(id: string, caller: Caller): Promise<WebhookInfo> {
    const known = await this.#one(id, caller);
    if (known.endpoint.origin === 'config') {
      throw new GatewayError(
        'invalid_request',
        `The endpoint ${id} is of the operator’s file; take it out there, or disable it.`,
      );
    }
    const info = await this.#info(known);
    await this.#deps.store.write('removeEndpoints', nameOf(known));
    await this.#deps.webhooks.refresh();
    return info;
  }

  /** Null: it is enabled. */
  async setDisabled(id: string, caller: Caller, reason: string | null): Promise<WebhookInfo> {
    const { store, clock, webhooks } = this.#deps;
    const known = await this.#one(id, caller);
    const disabledAt = reason === null ? null : clock.now();
    await store.write('setEndpointsDisabled', { ...nameOf(known), disabledAt, reason } satisfies Ability);
    await webhooks.refresh();
    return this.find(id, caller);
  }

  /** A new secret signs from now on; those before it go on signing for a while. */
  async rotate(id: string, caller: Caller, overlapMs: number = OVERLAP_MS): Promise<CreatedWebhook> {
    const { store, clock, webhooks } = this.#deps;
    const known = await this.#one(id, caller);
    const { endpoint } = known;
    if (endpoint.origin === 'config') {
      throw new GatewayError(
        'invalid_request',
        `The secrets of ${id} are in the operator’s file: list the new one before the old one there.`,
      );
    }
    if (!Number.isSafeInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MS_MAX) {
      throw new GatewayError('invalid_request', '`overlapMs` must be a whole number up to seven days.', {
        param: 'overlapMs',
      });
    }
    const now = clock.now();
    const until = now + overlapMs;
    const old = endpoint.secrets
      .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
      .map(({ secret, expiresAt }): SigningSecret => ({ secret, expiresAt: Math.min(expiresAt ?? until, until) }));
    const secret = newSigningSecret();
    const secrets = [{ secret: new Secret(secret), expiresAt: null }, ...old.slice(0, 3)];
    await store.write('setEndpointSecrets', {
      ...nameOf(known),
      secrets: secretsText({ secrets, token: endpoint.token }),
    });
    await webhooks.refresh();
    return { ...(await this.find(id, caller)), secret };
  }

  async replay(id: string, caller: Caller, asked: ReplayRequest): Promise<WebhookInfo> {
    const { store, webhooks } = this.#deps;
    const known = await this.#one(id, caller);
    const fromSeq = await this.#replayFrom(asked);
    await store.write('replayEndpoints', { ...nameOf(known), fromSeq } satisfies Rewind);
    const { tenantId, endpointId } = nameOf(known);
    await webhooks.restart(tenantId, endpointId);
    return this.find(id, caller);
  }

  /** Sends one message now, past the log and the schedule, and says what came of it. */
  async test(id: string, caller: Caller): Promise<WebhookTest> {
    const { clock, webhooks } = this.#deps;
    const { endpoint } = await this.#one(id, caller);
    const sender = new Sender(endpoint, webhooks.senderDeps);
    const startedAt = clock.monotonic();
    try {
      const event = this.#testEvent(endpoint.tenantId ?? DEFAULT_TENANT);
      const message = outgoing({ id: event.id, events: [event] }, endpoint, clock.now());
      const outcome = await sender.send(message, new AbortController().signal, () => clock.now());
      return {
        object: 'webhook_test',
        delivered: outcome?.kind === 'delivered',
        status: outcome?.status ?? null,
        failure: outcome?.kind === 'failed' ? outcome.reason : null,
        latencyMs: Math.round(clock.monotonic() - startedAt),
      };
    } finally {
      await sender.close();
    }
  }

  async deliveries(id: string, caller: Caller, question: DeliveriesQuestion): Promise<List<DeliveryInfo>> {
    const { row } = await this.#one(id, caller);
    return listDeliveries(this.#deps.store, row, question);
  }

  async #known(caller: Caller): Promise<KnownEndpoint[]> {
    const all = await knownEndpoints(this.#deps.store, this.#deps.webhooks.ofFile);
    return isOperator(caller)
      ? all
      : all.filter(({ endpoint }) => endpoint.tenantId === caller.tenantId && endpoint.origin === 'stored');
  }

  async #one(id: string, caller: Caller): Promise<KnownEndpoint> {
    const found = (await this.#known(caller)).find(({ endpoint }) => endpoint.id === id);
    if (found !== undefined) return found;
    throw new GatewayError('not_found', `There is no webhook ${id.slice(0, 80)} here.`);
  }

  async #info(known: KnownEndpoint): Promise<WebhookInfo> {
    const { store, events, clock, webhooks } = this.#deps;
    const { tenantId, id } = known.endpoint;
    const isOpen = webhooks.view(tenantId, id)?.isOpen ?? false;
    return endpointInfo(store, known, { lastSeq: await events.lastSeq(), isOpen, now: clock.now() });
  }

  /** Null: what is dead. */
  async #replayFrom({ fromSeq, since, dead }: ReplayRequest): Promise<number | null> {
    if ([fromSeq, since, dead].filter((one) => one !== undefined && one !== false).length !== 1) {
      throw new GatewayError('invalid_request', 'A replay needs one of `fromSeq`, `since` and `dead`.');
    }
    if (dead === true) return null;
    return replayStart(this.#deps.store, this.#deps.events, { fromSeq, since });
  }

  /** Nothing was used and nothing is to be paid: who sums it up sums up nothing. */
  #testEvent(tenantId: string): {
    type: string;
    id: string;
    seq: number;
    ledgerId: string;
    timestamp: string;
    data: object;
  } {
    const { clock, ids } = this.#deps;
    const timestamp = new Date(clock.now()).toISOString();
    const id = ids.next('evt');
    const nothing: Partial<DispatchRecord> = {
      ...{ keyId: null, agentId: null, sessionKey: null, sessionId: null, endUserId: null, endUserSource: null },
      ...{ serviceTier: null, httpStatus: null, errorKind: null, stopReason: null, timeToFirstTokenMs: null },
      ...{ providerRequestId: null, traceparent: null, cost: null },
    };
    const record = {
      ...nothing,
      ...{
        entryId: id,
        kind: 'usage',
        dispatchId: id,
        runId: id,
        attempt: 1,
        tenantId,
        tags: ['webhook-test'],
        metadata: {},
      },
      ...{ provider: 'weighbridge', model: 'webhook-test', requestedModel: 'webhook-test', api: 'openai-completions' },
      ...{ outcome: 'completed', stream: false, usage: makeUsage({}), usageSource: 'estimated', latencyMs: 0 },
      ...{ startedAt: timestamp, endedAt: timestamp, settledAt: timestamp, source: 'gateway' },
    };
    return { type: 'webhook.test', id, seq: 0, ledgerId: '', timestamp, data: record };
  }
}

function nameOf({ row }: KnownEndpoint): EndpointName {
  return { tenantId: row.tenantId, endpointId: row.endpointId };
}
