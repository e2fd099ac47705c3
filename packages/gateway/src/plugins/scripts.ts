/** The transactions of the events set aside. Loaded by the store's writer thread. */
import { ask, each, type Steps } from '../store/steps.ts';
import type { Value } from '../store/store.ts';

export interface AsideName {
  tenantId: string;
  pluginId: string;
  seq: number;
}

export interface AsideInput extends AsideName {
  eventId: string;
  type: string;
  failures: number;
  reason: string;
  now: number;
}

export function* setPluginEventsAside(inputs: readonly AsideInput[]): Steps<null[]> {
  // One row must not come twice in a statement: the last word on an event counts.
  const rows = new Map<string, Value[]>();
  for (const { tenantId, pluginId, seq, eventId, type, failures, reason, now } of inputs) {
    rows.set(JSON.stringify([tenantId, pluginId, seq]), [
      tenantId,
      pluginId,
      seq,
      eventId,
      type,
      failures,
      reason,
      now,
      0,
    ]);
  }
  yield* each('plugins.setAside', [...rows.values()]);
  return inputs.map(() => null);
}

/** Says that all of a plugin's are to be replayed; how many there are. */
export function* replayPluginEventsAside(inputs: readonly { pluginId: string }[]): Steps<number[]> {
  const counts: number[] = [];
  for (const { pluginId } of inputs) counts.push((yield* ask('plugins.replay', [1, pluginId])).length);
  return counts;
}

export function* dropPluginEventsAside(inputs: readonly AsideName[]): Steps<null[]> {
  for (const { tenantId, pluginId, seq } of inputs) yield* ask('plugins.handled', [tenantId, pluginId, seq]);
  return inputs.map(() => null);
}
