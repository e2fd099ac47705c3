/**
 * Whether a call may come in now, before anything of it is read but its head: draining, a ledger that cannot record, too
 * many runs, a machine that does not keep up. What the call itself is about is looked at later, by `start-run`.
 *
 * The refusals are made once: under overload most answers are refusals, and they must cost next to nothing.
 */
import { GatewayError, type RefusalCode } from '../domain/errors.ts';
import type { Pressure } from './pressure.ts';

export interface AdmissionDeps {
  ledger: { readonly available: boolean };
  /** Null where the database is not a file of this machine. */
  disk: { readonly belowFloor: boolean } | null;
  pressure: Pick<Pressure, 'admit'> | null;
  runsMax: () => number;
}

const RETRY_AFTER_SECONDS = 1;

const DRAINING = refusal('draining', 'The gateway is shutting down; send the call again in a moment.');
const FULL = refusal('overloaded', 'As many runs are in flight as `limits.runsMax` allows; send the call again later.');
const LATE = refusal('overloaded', 'The gateway has more calls than this machine keeps up with; send this one again.');
const NO_LEDGER = refusal(
  'ledger_unavailable',
  'The ledger cannot record calls now, so none is made. Check the disk that holds the database; calls resume by themselves.',
);
const NO_ROOM = refusal(
  'ledger_unavailable',
  'The disk that holds the ledger is nearly full (`limits.diskFreeBytesMin`), so no call is made. Make room; calls resume by themselves.',
);

export class Admission {
  readonly #deps: AdmissionDeps;
  #runs = 0;
  #isDraining = false;

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  get draining(): boolean {
    return this.#isDraining;
  }

  /** Runs in flight. */
  get runs(): number {
    return this.#runs;
  }

  /** For a door, once for each call and before its body; null: read on. */
  atDoor(): GatewayError | null {
    const refused = this.atStart();
    if (refused !== null) return refused;
    return this.#deps.pressure === null || this.#deps.pressure.admit(performance.now(), this.#runs) ? null : LATE;
  }

  /** Once more when the body is there: reading it may have taken long. */
  atStart(): GatewayError | null {
    const { ledger, disk, runsMax } = this.#deps;
    if (this.#isDraining) return DRAINING;
    if (!ledger.available) return NO_LEDGER;
    if (disk?.belowFloor) return NO_ROOM;
    return this.#runs >= runsMax() ? FULL : null;
  }

  entered(): void {
    this.#runs++;
  }

  left(): void {
    this.#runs--;
  }

  drain(): void {
    this.#isDraining = true;
  }
}

function refusal(code: RefusalCode, message: string): GatewayError {
  return new GatewayError(code, message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}
