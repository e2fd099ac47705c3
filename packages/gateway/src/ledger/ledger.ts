/**
 * The ledger: opens an entry before a dispatch, settles it once after, in one transaction with its rollups and its event.
 * A settlement that the database refuses is kept and written as soon as it takes writes again: a full disk costs the
 * caller an error, never a row. Prices are pinned at `open`; the cost is computed here and nowhere else.
 */

import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import { costNanoUsd, type PricePin } from '../domain/price.ts';
import type { Clock } from '../lib/clock.ts';
import { siblingId } from '../lib/ids.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { uncertainValues } from './columns.ts';
import { intentValues, settlementValues } from './record.ts';
import type { BeginInput, EntryIdentity, Recovered, Settled, SettleInput } from './scripts.ts';

/** Milliseconds between tries to write settlements that the database refused. */
const RETRY_EVERY_MS = 250;

export interface Ledger {
  readonly ledgerId: string;
  /** False while the database takes no writes; admission asks before any provider is called. */
  readonly available: boolean;
  /** Commits the intent. Rejects with GatewayError `ledger_unavailable`. */
  open(intent: EntryIntent): Promise<void>;
  /** Commits the settlement, once. Rejects with `ledger_unavailable`; the settlement is then kept and tried again. */
  settle(settlement: EntrySettlement): Promise<void>;
}

export interface LedgerDeps {
  store: Store;
  clock: Clock;
  instanceId: string;
  /** Told after each commit that appended to the event log. */
  announce: (seq: number) => void;
  /** Told of what must not happen: a settlement that the database refuses for good. */
  report: (error: Error) => void;
}

export class StoredLedger implements Ledger {
  readonly ledgerId: string;
  readonly #deps: LedgerDeps;
  /** Dispatches in flight, by dispatch id: what the settlement needs of the intent. */
  readonly #inFlight = new Map<string, { identity: EntryIdentity; price: PricePin | null }>();
  readonly #unsettled = new Map<string, SettleInput>();
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  private constructor(ledgerId: string, deps: LedgerDeps) {
    this.ledgerId = ledgerId;
    this.#deps = deps;
  }

  /** Enters this process among the ledger's instances. `newLedgerId` names a ledger that has no name yet. */
  static async begin(deps: LedgerDeps, newLedgerId: string): Promise<StoredLedger> {
    const begun = await deps.store.write<{ ledgerId: string; lastSeq: number }>('beginInstance', {
      ledgerId: newLedgerId,
      instanceId: deps.instanceId,
      pid: process.pid,
      now: deps.clock.now(),
    } satisfies BeginInput);
    return new StoredLedger(begun.ledgerId, deps);
  }

  get available(): boolean {
    return this.#deps.store.available;
  }

  async open(intent: EntryIntent): Promise<void> {
    this.#inFlight.set(intent.dispatchId, { identity: identityOf(intent), price: intent.price });
    try {
      await this.#deps.store.write('openEntries', intentValues(intent, this.#deps.instanceId));
    } catch (error) {
      this.#inFlight.delete(intent.dispatchId);
      throw refusal(error);
    }
  }

  async settle(settlement: EntrySettlement): Promise<void> {
    const input = this.#settleInput(settlement);
    try {
      await this.#write(input);
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#keep(input);
      else await this.#settleBare(input, error as Error);
      throw refusal(error);
    }
  }

  /** Settles the open entries of other instances as `uncertain`. The caller has proven those instances dead. */
  async recoverDead(): Promise<number> {
    const { store, instanceId, clock, announce } = this.#deps;
    const recovered = await store.write<Recovered>('recoverEntries', { instanceId, now: clock.now() });
    if (recovered.entries > 0) announce(recovered.lastSeq);
    return recovered.entries;
  }

  /** Writes what is still kept, if the database takes it, and ends the instance. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    await this.#settleKept();
    const { store, instanceId, clock } = this.#deps;
    await store.write('endInstance', { instanceId, now: clock.now() }).catch(() => {});
  }

  #settleInput(settlement: EntrySettlement): SettleInput {
    const opened = this.#inFlight.get(settlement.dispatchId);
    if (!opened) throw new Error(`dispatch ${settlement.dispatchId} was settled without being opened, or twice`);
    this.#inFlight.delete(settlement.dispatchId);
    const { identity, price } = opened;
    const cost = price && settlement.usage ? costNanoUsd(settlement.usage, price.rates) : null;
    return {
      identity,
      entryId: siblingId(settlement.dispatchId, 'ent'),
      eventId: siblingId(settlement.dispatchId, 'evt'),
      now: this.#deps.clock.now(),
      values: settlementValues(settlement, cost),
    };
  }

  async #write(input: SettleInput): Promise<void> {
    const settled = await this.#deps.store.write<Settled>('settleEntries', input);
    if (settled) this.#deps.announce(settled.seq);
  }

  /** The database refuses these values for good: a bug of ours. The dispatch still gets its entry, as uncertain. */
  async #settleBare(input: SettleInput, error: Error): Promise<void> {
    this.#deps.report(error);
    const bare: SettleInput = { ...input, values: uncertainValues() };
    await this.#write(bare).catch((refused: Error) => {
      if (refused instanceof StoreUnavailable) this.#keep(bare);
      else this.#deps.report(refused);
    });
  }

  #keep(input: SettleInput): void {
    this.#unsettled.set(input.entryId, input);
    if (this.#retry || this.#closed) return;
    this.#retry = setTimeout(() => void this.#tryKept(), RETRY_EVERY_MS);
  }

  async #tryKept(): Promise<void> {
    this.#retry = null;
    await this.#settleKept();
    if (this.#unsettled.size > 0 && !this.#retry && !this.#closed) {
      this.#retry = setTimeout(() => void this.#tryKept(), RETRY_EVERY_MS);
    }
  }

  /** Full or locked still: it stays kept. Refused for good: it is settled bare, as it would have been at first. */
  async #keptRefused(input: SettleInput, error: Error): Promise<void> {
    if (error instanceof StoreUnavailable) return;
    this.#unsettled.delete(input.entryId);
    await this.#settleBare(input, error);
  }

  async #settleKept(): Promise<void> {
    await Promise.all(
      [...this.#unsettled.values()].map((input) =>
        this.#write(input).then(
          () => this.#unsettled.delete(input.entryId),
          (error: Error) => this.#keptRefused(input, error),
        ),
      ),
    );
  }
}

function identityOf(intent: EntryIntent): EntryIdentity {
  return {
    tenantId: intent.attribution.tenantId,
    provider: intent.provider,
    model: intent.model,
    agentId: intent.attribution.agentId,
    source: intent.source,
  };
}

function refusal(error: unknown): GatewayError {
  if (error instanceof StoreUnavailable) {
    return new GatewayError(
      'ledger_unavailable',
      'The ledger cannot record calls now, so none is made. Check the disk that holds the database; calls resume by themselves.',
      { retryAfterSeconds: 1 },
    );
  }
  return new GatewayError('internal', 'The ledger refused this call’s record; the log says why.');
}
