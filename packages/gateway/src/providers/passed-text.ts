/** The text of one answer as it passes, split where the provider last counted it: what an estimate must add, and to what. */
import type { Api } from '../domain/provider.ts';
import { TextTally } from '../lib/text-tally.ts';
import { tokensIn } from './estimate.ts';
import type { Reading } from './reading.ts';

export class PassedText {
  readonly #api: Api;
  readonly #counted = new TextTally();
  /** Where a reader adds what it sees. */
  readonly tally = new TextTally();

  constructor(api: Api) {
    this.#api = api;
  }

  get bytes(): number {
    return this.#counted.bytes + this.tally.bytes;
  }

  /** The provider has counted all that passed until now. */
  countedSoFar(): void {
    this.#counted.absorb(this.tally);
  }

  facts(): Pick<Reading, 'outputBytes' | 'outputTokens' | 'uncountedTokens'> {
    const uncountedTokens = tokensIn(this.tally, this.#api);
    return {
      outputBytes: this.bytes,
      outputTokens: tokensIn(this.#counted, this.#api) + uncountedTokens,
      uncountedTokens,
    };
  }
}
