/**
 * The models that can be dispatched to, as config knows them. A model that a known provider does not list is a target
 * too: new models must not wait for a config change.
 */
import type { Provider, Target } from '../domain/provider.ts';

export class Catalogue {
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #targets = new Map<string, Target>();

  constructor(providers: ReadonlyMap<string, Provider>) {
    this.#providers = providers;
    for (const provider of providers.values()) {
      for (const { id } of provider.models) {
        this.#targets.set(`${provider.id}/${id}`, { provider, model: id });
      }
    }
  }

  /** By `provider/model`; the model's own name may hold more slashes. Null: no such provider, or no model named. */
  find(ref: string): Target | null {
    const known = this.#targets.get(ref);
    if (known !== undefined) return known;
    const slash = ref.indexOf('/');
    if (slash <= 0 || slash === ref.length - 1) return null;
    const provider = this.#providers.get(ref.slice(0, slash));
    if (provider === undefined) return null;
    // The demo has its one model; an invented name there is a mistake, not a new model.
    if (provider.kind === 'demo') return null;
    return { provider, model: ref.slice(slash + 1) };
  }

  /** Every configured target, in config order. */
  listed(): Target[] {
    return [...this.#targets.values()];
  }

  /** Provider ids, for messages that say what there is. */
  providerIds(): string[] {
    return [...this.#providers.keys()];
  }
}
