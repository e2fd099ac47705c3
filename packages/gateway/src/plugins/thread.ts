/**
 * One life of a plugin's thread: begun, given tasks, watched, ended once. Every task has an end: an answer, too late, or
 * the thread's death. A thread that does not answer for as long as a handler may take, or that holds more memory than it
 * may, is ended from here; it is asked nothing on which a call or the gateway would wait without a limit.
 */
import { MessageChannel, type MessagePort, type ResourceLimits, Worker } from 'node:worker_threads';
import type { PluginLimits } from '../domain/plugin.ts';
import type { PluginFolder } from './folder.ts';
import type { Defined, FromThread, Task, ThreadStart, ToThread } from './messages.ts';

/** How often memory is looked at, and every fourth time whether the thread still answers. */
const LOOK_MS = 250;
const LOOKS_FOR_PING = 4;
const END_WAIT_MS = 1_000;
const TEXT_CHARS_MAX = 500;
/** Nobody but a plugin that floods writes to the thread's public port. */
const FOREIGN_MESSAGES_MAX = 1_000;
const STACK_MIB = 4;
const MIB = 1_048_576;
/** Of the machine's environment a plugin sees where and in which language it runs. */
const ENVIRONMENT = ['HOME', 'LANG', 'LC_ALL', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'PATH', 'TMPDIR', 'TZ'];

export type TaskEnd =
  | { end: 'done'; answer: unknown }
  | { end: 'threw'; text: string }
  | { end: 'late'; text: string }
  /** `alone`: no other event was being handled when the thread died. */
  | { end: 'died'; text: string; alone: boolean };

export interface ThreadDeps {
  folder: PluginFolder;
  stateDir: string;
  limits: PluginLimits;
  onLine: (level: 'info' | 'warn' | 'error', text: string) => void;
  onLinesDropped: (count: number) => void;
  /** Something threw outside of any handler. */
  onStray: (text: string) => void;
  /** Once, however it ends. */
  onDeath: (reason: string) => void;
}

interface Pending {
  kind: Task['kind'];
  finish: (end: TaskEnd) => void;
  timer: NodeJS.Timeout;
}

export class PluginThread {
  /** What it says of itself; rejects where it cannot be loaded. */
  readonly defined: Promise<Defined>;
  readonly #deps: ThreadDeps;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #pending = new Map<number, Pending>();
  readonly #defined = Promise.withResolvers<Defined>();
  readonly #ready = Promise.withResolvers<string[]>();
  #loadTimer: NodeJS.Timeout | null;
  #watch: NodeJS.Timeout | null = null;
  #looks = 0;
  #lastPongAt = 0;
  #count = 0;
  #foreign = 0;
  #death: string | null = null;

  constructor(deps: ThreadDeps) {
    this.#deps = deps;
    const { folder, limits, stateDir } = deps;
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadStart = {
      port: port2,
      entry: folder.entry,
      folder: folder.path,
      id: folder.manifestId,
      stateDir,
      logLinesMax: limits.logLinesMax,
    };
    this.#port = port1;
    this.#worker = new Worker(new URL('./inside/main.ts', import.meta.url), {
      workerData,
      transferList: [port2],
      env: Object.fromEntries(ENVIRONMENT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
      execArgv: [],
      // Taken away inside; what gets past that is read and thrown away here.
      stdout: true,
      stderr: true,
      resourceLimits: resourceLimitsOf(limits),
    });
    this.defined = this.#defined.promise;
    // Whoever does not wait for one of them any more must not make the program end.
    this.#defined.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
    this.#listen();
    this.#loadTimer = setTimeout(() => {
      this.#die(`it was not loaded after ${limits.loadTimeoutMs} ms`);
    }, limits.loadTimeoutMs);
  }

  get isAlive(): boolean {
    return this.#death === null;
  }

  /** Gives it its config; resolves with its hooks when it can work. */
  async begin(config: string): Promise<string[]> {
    this.#send({ kind: 'begin', config });
    const hooks = await this.#ready.promise;
    this.#stopLoadTimer();
    this.#lastPongAt = performance.now();
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    this.#watch.unref();
    return hooks;
  }

  /** Never rejects. */
  perform(task: Task, timeoutMs: number): Promise<TaskEnd> {
    if (this.#death !== null) return Promise.resolve({ end: 'died', text: this.#death, alone: false });
    const { promise, resolve } = Promise.withResolvers<TaskEnd>();
    const n = ++this.#count;
    const timer = setTimeout(() => this.#end(n, { end: 'late', text: `no answer within ${timeoutMs} ms` }), timeoutMs);
    this.#pending.set(n, { kind: task.kind, finish: resolve, timer });
    this.#send({ kind: 'task', n, task });
    return promise;
  }

  /** Ends it; resolves when it has ended, or does not end in time. */
  async end(): Promise<void> {
    this.#die('the gateway ended it');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_WAIT_MS);
    });
    await Promise.race([this.#worker.terminate().catch(() => {}), late]);
    clearTimeout(timer);
  }

  #listen(): void {
    this.#port.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('message', () => {
      if (++this.#foreign > FOREIGN_MESSAGES_MAX) this.#die('it flooded its port');
    });
    this.#worker.on('error', (error: unknown) => this.#die(deathText(error)));
    this.#worker.on('exit', (code) => this.#die(`its thread ended with code ${code}`));
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) stream.on('data', () => {});
  }

  #receive(message: FromThread): void {
    if (this.#death !== null || typeof message !== 'object' || message === null) return;
    const { onLine, onLinesDropped, onStray } = this.#deps;
    if (message.kind === 'done') this.#end(message.n, endOf(message));
    else if (message.kind === 'pong') this.#lastPongAt = performance.now();
    else if (message.kind === 'line') onLine(message.level, cut(message.text));
    else if (message.kind === 'lines-dropped') onLinesDropped(Number(message.count) || 0);
    else if (message.kind === 'stray') onStray(cut(message.error));
    else if (message.kind === 'defined') this.#defined.resolve(message.defined);
    else if (message.kind === 'ready') this.#ready.resolve(message.hooks);
    else if (message.kind === 'unloadable') this.#die(cut(message.reason));
  }

  #end(n: number, end: TaskEnd): void {
    const pending = this.#pending.get(n);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.#pending.delete(n);
    pending.finish(end);
  }

  #look(): void {
    const { handlerTimeoutMs } = this.#deps.limits;
    if (performance.now() - this.#lastPongAt > handlerTimeoutMs + LOOK_MS * LOOKS_FOR_PING) {
      this.#die(`it answered nothing for ${handlerTimeoutMs} ms`);
      return;
    }
    if (this.#looks++ % LOOKS_FOR_PING === 0) this.#send({ kind: 'ping', n: this.#looks });
    void this.#weigh();
  }

  /** Buffers lie outside of the heap that the engine limits. */
  async #weigh(): Promise<void> {
    try {
      const { used_heap_size, external_memory } = await this.#worker.getHeapStatistics();
      const { heapBytesMax } = this.#deps.limits;
      if (used_heap_size + external_memory > heapBytesMax) this.#die(`it held more than ${heapBytesMax} bytes`);
    } catch {
      // It is about to end, and that is heard of elsewhere.
    }
  }

  #send(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #stopLoadTimer(): void {
    if (this.#loadTimer !== null) clearTimeout(this.#loadTimer);
    this.#loadTimer = null;
  }

  #die(reason: string): void {
    if (this.#death !== null) return;
    this.#death = reason;
    this.#stopLoadTimer();
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#port.close();
    void this.#worker.terminate().catch(() => {});
    const error = new Error(reason);
    this.#defined.reject(error);
    this.#ready.reject(error);
    const alone = [...this.#pending.values()].filter(({ kind }) => kind === 'event').length === 1;
    for (const n of [...this.#pending.keys()]) this.#end(n, { end: 'died', text: reason, alone });
    this.#deps.onDeath(reason);
  }
}

function resourceLimitsOf({ heapBytesMax }: PluginLimits): ResourceLimits {
  const heapMib = Math.floor(heapBytesMax / MIB);
  const youngMib = Math.max(2, Math.floor(heapMib / 8));
  return { maxOldGenerationSizeMb: heapMib - youngMib, maxYoungGenerationSizeMb: youngMib, stackSizeMb: STACK_MIB };
}

function endOf({ error, answer }: Extract<FromThread, { kind: 'done' }>): TaskEnd {
  return error === null ? { end: 'done', answer } : { end: 'threw', text: cut(error) };
}

function deathText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'it ran out of the memory that it may have';
  return cut(message ?? String(error));
}

function cut(text: unknown): string {
  return String(text).slice(0, TEXT_CHARS_MAX);
}
