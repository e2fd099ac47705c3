/**
 * Warns once an hour when the cost of that hour exceeds a limit. Amounts are integers of nano-USD, as the ledger has them; a
 * correction counts with its sign. What is unpriced has no cost, and is counted apart: no limit can hold for it.
 */
import { appendFileSync } from 'node:fs';
import { type DispatchCompleteEvent, definePlugin, type EventContext } from 'weighbridge/plugin';

interface Config {
  usdPerHour: number;
  /** Each tenant by itself; all together unless told. */
  perTenant?: boolean;
  /** Alerts are appended here, a line of JSON each, and logged. */
  file?: string;
}

interface Hour {
  nanoUsd: bigint;
  unpriced: number;
  hasWarned: boolean;
  seen: Set<string>;
}

const HOURS_KEPT = 3;
/** By hour, then by whose. */
const hours = new Map<string, Map<string, Hour>>();

function add(event: DispatchCompleteEvent, { eventId, timestamp, config, log }: EventContext<Config>): void {
  const at = timestamp.slice(0, 13);
  const whose = config.perTenant ? event.tenantId : 'all tenants';
  const hour = hourOf(at, whose);
  if (hour.seen.has(eventId)) return;
  hour.seen.add(eventId);
  if (event.cost === null) hour.unpriced += event.usage === null ? 0 : 1;
  else hour.nanoUsd += BigInt(event.cost.nanoUsd);
  if (hour.hasWarned || hour.nanoUsd < BigInt(Math.round(config.usdPerHour * 1e9))) return;
  hour.hasWarned = true;
  const alert = { at: timestamp, hour: `${at}:00Z`, whose, usd: usdOf(hour.nanoUsd), limitUsd: config.usdPerHour };
  if (config.file !== undefined) appendFileSync(config.file, `${JSON.stringify(alert)}\n`);
  log.warn(`${whose}: ${alert.usd} USD since ${alert.hour}, the limit is ${alert.limitUsd}`);
}

function hourOf(at: string, whose: string): Hour {
  const ofHour = hours.get(at) ?? new Map<string, Hour>();
  hours.set(at, ofHour);
  for (const old of [...hours.keys()].sort().slice(0, -HOURS_KEPT)) hours.delete(old);
  const hour = ofHour.get(whose) ?? { nanoUsd: 0n, unpriced: 0, hasWarned: false, seen: new Set() };
  ofHour.set(whose, hour);
  return hour;
}

function usdOf(nanoUsd: bigint): string {
  const digits = nanoUsd.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

export default definePlugin<Config>({
  id: 'cost-alert',
  onModelDispatchComplete: add,
  onModelUsageCorrected: add,
});
