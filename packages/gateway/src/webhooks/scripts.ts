/**
 * The webhooks' own transactions. Attempts are recorded together with the cursor, under the lease's fence: an event is behind
 * the cursor only when it was delivered or has a row that will be tried again. Loaded by the store's writer thread.
 */
import { lockCounters } from '../events/append.ts';
import { rewindFollowers } from '../events/scripts.ts';
import { ask, each, type Steps, telling, together } from '../store/steps.ts';
import type { Value } from '../store/store.ts';

/** What is told when endpoints changed; a number would be an event's. */
export const WEBHOOKS_CHANGED = 'webhooks';

export interface EndpointName {
  tenantId: string;
  endpointId: string;
}

export interface NewEndpoint extends EndpointName {
  definition: string | null;
  secrets: string | null;
  createdBy: string | null;
  now: number;
  /** Endpoints that may be stored, in all and for one tenant; null: it is not one of them. */
  max: Readonly<Record<EndpointLimit, number>> | null;
}

/** Of which there are too many. */
export type EndpointLimit = 'all' | 'tenant';

/** Null: it is there. Its cursor begins at the end of the log; one that was here before stays where it stood. */
export function* addEndpoints(inputs: readonly NewEndpoint[]): Steps<(EndpointLimit | null)[]> {
  const { seq } = yield* lockCounters(inputs);
  const answers: (EndpointLimit | null)[] = [];
  for (const { tenantId, endpointId, definition, secrets, createdBy, now, max } of inputs) {
    const full = max === null ? null : yield* fullFor(tenantId, max);
    if (full !== null) {
      answers.push(full);
      continue;
    }
    const zeros = [0, 0, 0];
    const row = [tenantId, endpointId, definition, secrets, now, createdBy, null, null, ...zeros, null, null, null];
    yield* together(
      { name: 'webhooks.addEndpoint', rows: [row] },
      { name: 'events.addFollower', rows: [[tenantId, followerName(endpointId), seq, now, 0]] },
      telling(WEBHOOKS_CHANGED),
    );
    answers.push(null);
  }
  return answers;
}

function* fullFor(tenantId: string, max: Readonly<Record<EndpointLimit, number>>): Steps<EndpointLimit | null> {
  const counts = yield* ask('webhooks.countStored');
  const stored = counts.reduce((sum, row) => sum + Number(row.stored), 0);
  if (stored >= max.all) return 'all';
  const own = counts.find((row) => row.tenantId === tenantId);
  return Number(own?.stored ?? 0) >= max.tenant ? 'tenant' : null;
}

export interface AttemptsRecord extends EndpointName {
  fence: number;
  /** The cursor; where it stands already, it stays. */
  seq: number;
  now: number;
  /** Rows of DELIVERY_COLUMNS. */
  failed: readonly (readonly Value[])[];
  /** Ids whose rows go. */
  done: readonly string[];
  sums: { delivered: number; failed: number; dead: number };
  lastDeliveredAt: number | null;
  lastFailedAt: number | null;
  lastFailure: string | null;
  /** It is to be sent nothing more, and why. */
  disabledReason: string | null;
}

/** False: another runs the endpoint now, or it was told to begin elsewhere; nothing was recorded. */
export function* recordDeliveries(inputs: readonly AttemptsRecord[]): Steps<boolean[]> {
  const answers: boolean[] = [];
  for (const input of inputs) answers.push(yield* recordOne(input));
  return answers;
}

function* recordOne(input: AttemptsRecord): Steps<boolean> {
  const { tenantId, endpointId, fence, seq, now, failed, done, sums, disabledReason } = input;
  const [moved] = yield* each('events.moveCursor', [[seq, now, tenantId, followerName(endpointId), fence]]);
  if (moved === null) return false;
  yield* together({ name: 'webhooks.putDelivery', rows: failed });
  for (const id of done) yield* ask('webhooks.dropDelivery', [tenantId, endpointId, id]);
  yield* ask('webhooks.addSums', [
    sums.delivered,
    sums.failed,
    sums.dead,
    input.lastDeliveredAt,
    input.lastFailedAt,
    input.lastFailure,
    disabledReason === null ? null : now,
    disabledReason,
    tenantId,
    endpointId,
  ]);
  if (disabledReason !== null) yield* together(telling(WEBHOOKS_CHANGED));
  return true;
}

export interface Ability extends EndpointName {
  disabledAt: number | null;
  reason: string | null;
}

/** False: there is no such endpoint. */
export function* setEndpointsDisabled(inputs: readonly Ability[]): Steps<boolean[]> {
  const rows = inputs.map(({ tenantId, endpointId, disabledAt, reason }) => [disabledAt, reason, tenantId, endpointId]);
  const [set] = yield* together({ name: 'webhooks.setDisabled', rows }, telling(WEBHOOKS_CHANGED));
  return inputs.map((_, index) => set![index] !== null);
}

export function* setEndpointSecrets(inputs: readonly (EndpointName & { secrets: string })[]): Steps<boolean[]> {
  const rows = inputs.map(({ tenantId, endpointId, secrets }) => [secrets, tenantId, endpointId]);
  const [set] = yield* together({ name: 'webhooks.setSecrets', rows }, telling(WEBHOOKS_CHANGED));
  return inputs.map((_, index) => set![index] !== null);
}

export function* removeEndpoints(inputs: readonly EndpointName[]): Steps<null[]> {
  for (const { tenantId, endpointId } of inputs) {
    yield* ask('webhooks.removeEndpoint', [tenantId, endpointId]);
    yield* ask('webhooks.removeFollower', [tenantId, followerName(endpointId)]);
    yield* ask('webhooks.removeDeliveries', [tenantId, endpointId, 0]);
  }
  yield* together(telling(WEBHOOKS_CHANGED));
  return inputs.map(() => null);
}

export interface Rewind extends EndpointName {
  /** The first event to be sent again; null: those that are dead. */
  fromSeq: number | null;
}

/** What lies behind `fromSeq` is sent again in order; its failed deliveries are among them and need no rows. */
export function* replayEndpoints(inputs: readonly Rewind[]): Steps<null[]> {
  for (const { tenantId, endpointId, fromSeq } of inputs) {
    if (fromSeq === null) yield* ask('webhooks.reviveDead', ['pending', 0, 0, tenantId, endpointId, 'dead']);
    else yield* ask('webhooks.removeDeliveries', [tenantId, endpointId, fromSeq]);
    // Even where the cursor stays: whoever runs the endpoint is further, and must begin anew.
    const seq = fromSeq === null ? null : fromSeq - 1;
    yield* rewindFollowers([{ tenantId, name: followerName(endpointId), seq }]);
  }
  yield* together(telling(WEBHOOKS_CHANGED));
  return inputs.map(() => null);
}

export function followerName(endpointId: string): string {
  return `webhook:${endpointId}`;
}
