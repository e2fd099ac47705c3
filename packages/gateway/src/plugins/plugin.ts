/**
 * One plugin over all the lives of its process: loaded, started anew when it dies (later and later while it keeps dying),
 * ended. Counts what goes wrong with it. What it observes is delivered by delivery.ts, what it decides asked by interceptors.ts.
 */
import type { InterceptFailure, PluginEntry, PluginLimits } from '../domain/plugin.ts';
import { INTERCEPT_FAILURES } from '../domain/plugin.ts';
import { PluginProcess, type TaskEnd } from './child.ts';
import { PLUGIN_ID, type PluginFolder } from './folder.ts';
import { INTERCEPT_HOOK } from './hooks.ts';
import type { Defined, Task } from './messages.ts';

const RESTART_MIN_MS = 250;
const RESTART_MAX_MS = 30_000;
/** Alive for that long, a process counts as well. */
const WELL_MS = 60_000;
const INTERCEPT_TIMEOUT_MS = 500;

export type PluginStatus = 'loading' | 'running' | 'restarting' | 'disabled' | 'failed' | 'ended';

/** Never fewer: a fault that was counted stays counted while the gateway runs. */
export interface PluginFaults {
  /** A handler threw or rejected. */
  threw: number;
  /** A handler took longer than it may. */
  late: number;
  /** Its process died: of itself, spinning, out of memory. */
  died: number;
  /** Something threw outside of any handler. */
  stray: number;
  /** Lines of its console that were not logged. */
  linesDropped: number;
  /** Answers of its interceptor that make no sense. */
  badVerdicts: number;
}

export interface PluginDeps {
  folder: PluginFolder;
  stateDir: string;
  limits: PluginLimits;
  entryOf: (id: string) => PluginEntry | null;
  onLine: (id: string, level: 'info' | 'warn' | 'error', text: string) => void;
  onDied: (id: string, reason: string) => void;
  /** Each time that a process can work; `restart`: how often before. */
  onStarted: (plugin: Plugin, restart: number) => void;
}

export class Plugin {
  readonly folder: PluginFolder;
  readonly faults: PluginFaults = { threw: 0, late: 0, died: 0, stray: 0, badVerdicts: 0, linesDropped: 0 };
  id: string;
  status: PluginStatus = 'loading';
  /** Why it does not run; null while it does. */
  reason: string | null = null;
  hooks: readonly string[] = [];
  isOpenClaw = false;
  restarts = 0;
  /** Events that were handled. */
  delivered = 0;
  intercept: { timeoutMs: number; onFailure: InterceptFailure } = {
    timeoutMs: INTERCEPT_TIMEOUT_MS,
    onFailure: 'failOpen',
  };
  readonly #deps: PluginDeps;
  #process: PluginProcess | null = null;
  #running = Promise.withResolvers<void>();
  #restartTimer: NodeJS.Timeout | null = null;
  #restartMs = RESTART_MIN_MS;
  #startedAt = 0;

  constructor(deps: PluginDeps) {
    this.#deps = deps;
    this.folder = deps.folder;
    this.id = deps.folder.name;
  }

  /** The first load. Resolves when it runs, or never will. */
  async load(): Promise<void> {
    if (this.#deps.entryOf(this.id)?.enabled === false) return this.#leave('disabled', 'it is disabled');
    try {
      await this.#begin(await this.#newProcess(), true);
    } catch (error) {
      const process = this.#process;
      this.#process = null;
      if (this.status === 'loading') this.#leave('failed', error instanceof Error ? error.message : String(error));
      await process?.end();
    }
  }

  get intercepts(): boolean {
    return this.hooks.includes(INTERCEPT_HOOK);
  }

  get isRunning(): boolean {
    return this.status === 'running';
  }

  /** Resolves when it runs; never where it has left. */
  whenRunning(): Promise<void> {
    return this.#running.promise;
  }

  /** Never rejects; `died` while there is no process. */
  async perform(task: Task, timeoutMs: number = this.#deps.limits.handlerTimeoutMs): Promise<TaskEnd> {
    const process = this.#process;
    if (process === null || !this.isRunning) {
      return { end: 'died', text: this.reason ?? 'it does not run', alone: false };
    }
    const end = await process.perform(task, timeoutMs);
    if (end.end === 'threw') this.faults.threw++;
    if (end.end === 'late') this.faults.late++;
    return end;
  }

  /** It was loaded, and must not run all the same. */
  async refuse(reason: string): Promise<void> {
    this.#leave('failed', reason);
    await this.end();
  }

  async end(): Promise<void> {
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    if (this.status !== 'failed' && this.status !== 'disabled') this.#leave('ended', 'the gateway is closing');
    const process = this.#process;
    this.#process = null;
    await process?.end();
  }

  async #newProcess(): Promise<PluginProcess> {
    const { folder, stateDir, limits, onLine } = this.#deps;
    const process: PluginProcess = new PluginProcess({
      folder,
      stateDir,
      limits,
      onLine: (level, text) => onLine(this.id, level, text),
      onLinesDropped: (count) => {
        this.faults.linesDropped += count;
      },
      onStray: (text) => {
        this.faults.stray++;
        onLine(this.id, 'error', `outside of any handler: ${text}`);
      },
      onDeath: (reason) => this.#died(process, reason),
    });
    this.#process = process;
    return process;
  }

  async #begin(process: PluginProcess, isFirst: boolean): Promise<void> {
    const defined = await process.defined;
    if (isFirst) this.#learn(defined);
    const entry = this.#deps.entryOf(this.id);
    if (entry?.enabled === false) {
      this.#leave('disabled', 'it is disabled');
      throw new Error('it is disabled');
    }
    const hooks = await process.begin(entry?.config.reveal() ?? '{}');
    if (hooks.length === 0) throw new Error('it has none of the hooks that there are');
    // One that had to decide must not come back as one that is not asked.
    if (!isFirst && hooks.join() !== this.hooks.join()) throw new Error('it came back with other hooks');
    this.hooks = hooks;
    this.status = 'running';
    this.reason = null;
    this.#startedAt = performance.now();
    this.#running.resolve();
    this.#deps.onStarted(this, this.restarts);
  }

  /** What it says of itself, once: a process that comes later cannot become another plugin. */
  #learn({ id, isOpenClaw, intercept }: Defined): void {
    if (typeof id !== 'string' || !PLUGIN_ID.test(id)) {
      throw new Error('its id is none: up to 64 letters, digits, dots, dashes and underscores');
    }
    this.id = id;
    this.isOpenClaw = isOpenClaw === true;
    const told = this.#deps.entryOf(id)?.intercept;
    const own = INTERCEPT_FAILURES.find((word) => word === intercept?.onFailure);
    const ownMs = Number(intercept?.timeoutMs);
    this.intercept = {
      timeoutMs: told?.timeoutMs ?? (ownMs >= 1 && ownMs <= 60_000 ? ownMs : INTERCEPT_TIMEOUT_MS),
      onFailure: told?.onFailure ?? own ?? 'failOpen',
    };
  }

  #died(process: PluginProcess, reason: string): void {
    // Of a process that was put aside nobody hears any more.
    if (process !== this.#process || this.status === 'loading') return;
    if (this.status === 'running') {
      this.#running = Promise.withResolvers<void>();
      if (performance.now() - this.#startedAt > WELL_MS) this.#restartMs = RESTART_MIN_MS;
    }
    this.#process = null;
    this.faults.died++;
    this.status = 'restarting';
    this.reason = reason;
    this.#deps.onDied(this.id, reason);
    this.#restartLater();
  }

  #restartLater(): void {
    this.#restartTimer = setTimeout(() => void this.#restart(), this.#restartMs);
    this.#restartMs = Math.min(RESTART_MAX_MS, this.#restartMs * 2);
  }

  async #restart(): Promise<void> {
    this.#restartTimer = null;
    this.restarts++;
    try {
      await this.#begin(await this.#newProcess(), false);
    } catch (error) {
      // A process that died has said so; one that lives but will not begin is ended, and that says it.
      const ended = this.#process?.end();
      // There was none: nobody says it.
      if (this.status === 'restarting' && this.#restartTimer === null) this.#restartLater();
      if (this.status === 'restarting') this.reason = error instanceof Error ? error.message : String(error);
      await ended;
    }
  }

  #leave(status: PluginStatus, reason: string): void {
    this.status = status;
    this.reason = reason;
  }
}
