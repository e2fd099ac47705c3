/**
 * The ledger: opens an entry before a dispatch, settles it once after, in one transaction with its rollups and its event.
 * A settlement that the database refuses is kept and written as soon as it takes writes again: a full disk costs the
 * caller an error, never a row. Prices are pinned at `open`; the cost is computed here and nowhere else.
 */

import type { EntryIntent, EntrySettlement } from '../domain/entry.ts';
import { GatewayError } from '../domain/errors.ts';
import { dispatchCost, partsOf } from '../domain/other-models.ts';
import type { Clock } from '../lib/clock.ts';
import { DurationCounts } from '../lib/exposition.ts';
import { siblingId } from '../lib/ids.ts';
import { TransientMap } from '../lib/transient-map.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { neverSentValues, uncertainValues } from './columns.ts';
import { lateCorrection } from './correction.ts';
import { intentValues, settlementValues } from './record.ts';
import type { BeginInput, CorrectInput, Recovered, RecoverInput, Settled, SettleInput } from './scripts.ts';
import type { EntryIdentity } from './settling.ts';

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
  /** Told of what must not happen: a settlement that the database refuses for good, or that is lost at the end. */
  report: (error: Error) => void;
}

const COMMIT_BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** A settlement with the intent it belongs to. */
interface Pending {
  intent: EntryIntent;
  input: SettleInput;
  /** False: the intent was refused, so no provider was called. */
  sent: boolean;
}

export class StoredLedger implements Ledger {
  readonly ledgerId: string;
  /** How long settlements waited for their commit. */
  readonly commits = new DurationCounts(COMMIT_BOUNDS_SECONDS);
  readonly #deps: LedgerDeps;
  /** What was opened here and is not settled, by dispatch id. */
  readonly #inFlight = new TransientMap<string, EntryIntent>();
  /** Settlements that the database refused, by entry id. */
  readonly #kept = new Map<string, Pending>();
  #settlingKept: Promise<void> | null = null;
  #isClosed = false;

  private constructor(ledgerId: string, deps: LedgerDeps) {
    this.ledgerId = ledgerId;
    this.#deps = deps;
    deps.store.onAvailability((reason) => {
      if (reason === null) void this.#settleKept();
    });
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

  /** How many settlements wait for the database to take them. */
  get keptSettlements(): number {
    return this.#kept.size;
  }

  async open(intent: EntryIntent): Promise<void> {
    this.#inFlight.set(intent.dispatchId, intent);
    try {
      await this.#deps.store.write('openEntries', intentValues(intent, this.#deps.instanceId));
    } catch (error) {
      this.#inFlight.take(intent.dispatchId);
      // Whether a server that went away has it is not known. If it has, it must not look as if it were in flight.
      if (error instanceof StoreUnavailable) {
        this.#keep({ intent, input: this.#settleInput(intent, neverSentValues()), sent: false });
      }
      throw refusal(error);
    }
  }

  async settle(settlement: EntrySettlement): Promise<void> {
    const intent = this.#inFlight.take(settlement.dispatchId);
    if (!intent) throw new Error(`dispatch ${settlement.dispatchId} was settled without being opened, or twice`);
    const { price, usage, otherModels } = settlement;
    const cost = usage ? dispatchCost(partsOf(usage, price, otherModels)) : null;
    const pending = { intent, input: this.#settleInput(intent, settlementValues(settlement, cost)), sent: true };
    const since = this.#deps.clock.monotonic();
    try {
      await this.#write(pending);
      this.commits.add((this.#deps.clock.monotonic() - since) / 1000);
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#keep(pending);
      else await this.#settleBare(pending, error as Error);
      throw refusal(error);
    }
  }

  /** Commits a correction of a settled entry. Rejects with `ledger_unavailable`. */
  async correct(correction: CorrectInput): Promise<Settled> {
    const { store, announce } = this.#deps;
    try {
      const settled = await store.write<Settled>('correctEntries', correction);
      if (typeof settled === 'object') announce(settled.seq);
      return settled;
    } catch (error) {
      throw refusal(error);
    }
  }

  /**
   * Settles the open entries of dead instances as `uncertain`. Where this process has the database to itself every other
   * is dead; else those whose lease ran out, and the caller must have held its own for long enough to judge.
   */
  async recoverDead(): Promise<number> {
    const { store, instanceId, clock, announce } = this.#deps;
    const input: RecoverInput = { instanceId, exclusive: store.exclusive, now: clock.now() };
    const recovered = await store.write<Recovered>('recoverEntries', input);
    if (recovered.entries > 0) announce(recovered.lastSeq);
    return recovered.entries;
  }

  /** Writes what is still kept, if the database takes it, and ends the instance. */
  async close(): Promise<void> {
    await this.#settleKept();
    // What comes now is refused, and trying it again would never end.
    this.#isClosed = true;
    for (const { input } of this.#kept.values()) {
      this.#deps.report(
        new Error(`the settlement of ${input.entryId} could not be written before the end; it will be uncertain`),
      );
    }
    const { store, instanceId, clock } = this.#deps;
    await store.write('endInstance', { instanceId, now: clock.now() }).catch(() => {});
  }

  #settleInput(intent: EntryIntent, values: SettleInput['values']): SettleInput {
    return {
      identity: identityOf(intent),
      entryId: siblingId(intent.dispatchId, 'ent'),
      eventId: siblingId(intent.dispatchId, 'evt'),
      now: this.#deps.clock.now(),
      values,
    };
  }

  async #write(pending: Pending): Promise<void> {
    const { store, announce } = this.#deps;
    const settled = await store.write<Settled>('settleEntries', pending.input);
    if (settled === 'missing') await this.#writeLost(pending);
    else if (settled === 'uncertain') await this.#writeLate(pending);
    else if (settled !== 'settled') announce(settled.seq);
  }

  /** A server that failed over to a copy that was behind has lost the intent; the entry is made again, and settled. */
  async #writeLost({ intent, input, sent }: Pending): Promise<void> {
    const { store, instanceId, announce } = this.#deps;
    if (!sent) return;
    await store.write('openEntries', intentValues(intent, instanceId));
    const settled = await store.write<Settled>('settleEntries', input);
    if (typeof settled === 'object') announce(settled.seq);
  }

  /** Others held this process for dead and recorded the dispatch as uncertain. What it used is added by a correction. */
  async #writeLate(pending: Pending): Promise<void> {
    const { store, instanceId, announce } = this.#deps;
    const correction = lateCorrection(pending.intent, pending.input, instanceId);
    if (correction === null) return;
    const settled = await store.write<Settled>('correctEntries', correction);
    if (typeof settled === 'object') announce(settled.seq);
  }

  /** The database refuses these values for good: a bug of ours. The dispatch still gets its entry, as uncertain. */
  async #settleBare(pending: Pending, error: Error): Promise<void> {
    this.#deps.report(error);
    const bare: Pending = { ...pending, input: { ...pending.input, values: uncertainValues() } };
    await this.#write(bare).catch((refused: Error) => {
      if (refused instanceof StoreUnavailable) this.#keep(bare);
      else this.#deps.report(refused);
    });
  }

  get #mayWrite(): boolean {
    return this.available && !this.#isClosed;
  }

  /** Tried again as soon as the database takes writes. */
  #keep(pending: Pending): void {
    this.#kept.set(pending.input.entryId, pending);
    // It may have healed between the refusal and now.
    if (this.#mayWrite) void this.#settleKept();
  }

  #settleKept(): Promise<void> {
    this.#settlingKept ??= this.#writeKept().finally(() => {
      this.#settlingKept = null;
      // One may have been kept meanwhile.
      if (this.#mayWrite && this.#kept.size > 0) void this.#settleKept();
    });
    return this.#settlingKept;
  }

  async #writeKept(): Promise<void> {
    const kept = [...this.#kept.entries()];
    await Promise.all(
      kept.map(async ([entryId, pending]) => {
        try {
          await this.#write(pending);
          this.#kept.delete(entryId);
        } catch (error) {
          if (error instanceof StoreUnavailable) return;
          this.#kept.delete(entryId);
          await this.#settleBare(pending, error as Error);
        }
      }),
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
