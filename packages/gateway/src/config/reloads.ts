/**
 * Reloads of a running gateway, one after the other: whoever asks while one is under way shares the next, so that a storm of
 * signals is two readings and everybody's change is in the last. What is refused changes nothing and is said in health.
 */
import { GatewayError } from '../domain/errors.ts';
import type { ConfigStanding, ReloadReport } from '../domain/reload.ts';
import type { Clock } from '../lib/clock.ts';
import { ConfigError } from './findings.ts';
import type { LoadedConfig, LoadRequest } from './load.ts';
import { loadAgain } from './reload.ts';

export interface ReloadsOptions {
  /** What the gateway was started with, and how it was found; null: it was given from outside and cannot be read again. */
  origin: { loaded: LoadedConfig; request: LoadRequest } | null;
  /** Puts a configuration in force, at once and whole; throws where it cannot be. */
  swap: (loaded: LoadedConfig) => void;
  clock: Pick<Clock, 'now'>;
  onReloaded: (report: ReloadReport) => void;
  onRefused: (reason: string) => void;
}

export class Reloads {
  readonly #options: ReloadsOptions;
  #loaded: LoadedConfig | null;
  #running: Promise<ReloadReport> | null = null;
  #next: Promise<ReloadReport> | null = null;
  #standing: ConfigStanding;

  constructor(options: ReloadsOptions) {
    this.#options = options;
    this.#loaded = options.origin?.loaded ?? null;
    this.#standing = { loadedAt: new Date(options.clock.now()).toISOString(), stale: false, reloads: 0 };
  }

  get view(): ConfigStanding {
    return this.#standing;
  }

  /** Rejects with `config_refused`, which says why; then what was in force still is. */
  reload(): Promise<ReloadReport> {
    if (this.#running === null) return this.#begin();
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#begin();
      });
    return this.#next;
  }

  #begin(): Promise<ReloadReport> {
    const running = this.#run().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #run(): Promise<ReloadReport> {
    const { origin, swap, clock, onReloaded, onRefused } = this.#options;
    try {
      if (origin === null || this.#loaded === null) throw new ConfigError([NO_ORIGIN], null);
      const { loaded, changed, needsRestart } = await loadAgain(origin.request, this.#loaded);
      swap(loaded);
      this.#loaded = loaded;
      this.#standing = {
        loadedAt: new Date(clock.now()).toISOString(),
        stale: false,
        reloads: this.#standing.reloads + 1,
      };
      const { warnings } = loaded.config;
      const report: ReloadReport = { object: 'reload', file: loaded.file, changed, needsRestart, warnings };
      onReloaded(report);
      return report;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#standing = { ...this.#standing, stale: true, reloads: this.#standing.reloads + 1 };
      onRefused(reason);
      throw new GatewayError('config_refused', `Nothing was changed: ${reason}`);
    }
  }
}

const NO_ORIGIN = {
  path: '(reload)',
  message: 'this gateway was given its configuration by a program.',
  hint: 'Start it anew.',
};
