/**
 * One life of a plugin's process: begun, given tasks, watched, ended once. Every task has an end: an answer, too late, or
 * the process's death. A process that does not answer for as long as a handler may take, or that holds more memory than
 * it may, is killed from here. A process and not a thread: a thread that runs out of memory can take the whole program
 * with it, and one that collects garbage without end cannot be ended (docs/decisions/0014-plugins-in-processes.md).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PluginLimits } from '../domain/plugin.ts';
import type { PluginFolder } from './folder.ts';
import { INTERCEPT_HOOK } from './hooks.ts';
import { LineReader } from './line-reader.ts';
import type { Defined, FromPlugin, Task, ToPlugin } from './messages.ts';

const INSIDE = fileURLToPath(new URL('./inside/main.ts', import.meta.url));
/** How often memory is looked at, and every fourth time whether the process still answers. */
const LOOK_MS = 250;
const LOOKS_FOR_PING = 4;
const LOOKS_A_MINUTE = 60_000 / LOOK_MS;
const END_WAIT_MS = 1_000;
const TEXT_CHARS_MAX = 500;
/** Messages in a minute that answer nothing, beside the lines that may be logged. */
const NOISE_MAX = 1_000;
const MIB = 1_048_576;
/**
 * Where both want all of a processor: one that calls wait for gets a third of what the gateway gets, one that only observes
 * a tenth. That is enough to handle an event in its time, and its cursor waits for it.
 */
const NICENESS = { deciding: 5, observing: 10 };
const NICENESS_MAX = 19;
const PAGE_BYTES = 4_096;
/** Of the machine's environment a plugin sees where and in which language it runs. */
const ENVIRONMENT = ['HOME', 'LANG', 'LC_ALL', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'PATH', 'TMPDIR', 'TZ'];

export type TaskEnd =
  | { end: 'done'; answer: unknown }
  | { end: 'threw'; text: string }
  | { end: 'late'; text: string }
  /** `alone`: no other event was being handled when the process died. */
  | { end: 'died'; text: string; alone: boolean };

export interface ChildDeps {
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
  /** What to say of it once the process has shown that it still answers. */
  overdue: string | null;
}

export class PluginProcess {
  /** What it says of itself; rejects where it cannot be loaded. */
  readonly defined: Promise<Defined>;
  readonly #deps: ChildDeps;
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #defined = Promise.withResolvers<Defined>();
  readonly #ready = Promise.withResolvers<string[]>();
  readonly #exited = Promise.withResolvers<void>();
  #loadTimer: NodeJS.Timeout | null;
  #watch: NodeJS.Timeout | null = null;
  #looks = 0;
  #lastPongAt = 0;
  /** That it has not answered yet: more answers than these are noise. */
  #pings = 0;
  #count = 0;
  #noise = 0;
  /** What it held when it began to work; null where the system does not say. */
  #ownBytes: number | null = null;
  #death: string | null = null;

  /** Throws where there can be no process now. */
  constructor(deps: ChildDeps) {
    this.#deps = deps;
    const { folder, limits, stateDir } = deps;
    this.#process = spawned(folder, limits, stateDir);
    this.defined = this.#defined.promise;
    // Whoever does not wait for one of them any more must not make the program end.
    this.#defined.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
    this.#listen();
    this.#yield(NICENESS.deciding);
    this.#send({
      kind: 'load',
      entry: folder.entry,
      id: folder.manifestId,
      stateDir,
      logLinesMax: limits.logLinesMax,
      parent: process.pid,
    });
    const late = `it was not loaded after ${limits.loadTimeoutMs} ms`;
    this.#loadTimer = setTimeout(() => this.#die(late), limits.loadTimeoutMs);
  }

  /** Gives it its config; resolves with its hooks when it can work. */
  async begin(config: string): Promise<string[]> {
    this.#send({ kind: 'begin', config });
    const told: unknown = await this.#ready.promise;
    const hooks = Array.isArray(told) ? told.map(String) : [];
    this.#stopLoadTimer();
    this.#ownBytes = await this.#bytesHeld();
    this.#lastPongAt = performance.now();
    if (this.#death !== null) throw new Error(this.#death);
    this.#yield(hooks.includes(INTERCEPT_HOOK) ? NICENESS.deciding : NICENESS.observing);
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    this.#watch.unref();
    return hooks;
  }

  /** Never rejects. */
  perform(task: Task, timeoutMs: number): Promise<TaskEnd> {
    if (this.#death !== null) return Promise.resolve({ end: 'died', text: this.#death, alone: false });
    const { promise, resolve } = Promise.withResolvers<TaskEnd>();
    const n = ++this.#count;
    const timer = setTimeout(() => this.#overdue(n, `no answer within ${timeoutMs} ms`), timeoutMs);
    this.#pending.set(n, { kind: task.kind, finish: resolve, timer, overdue: null });
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
    await Promise.race([this.#exited.promise, late]);
    clearTimeout(timer);
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#process;
    const reader = new LineReader((line) => this.#receive(line));
    stdout!.on('data', (bytes: Buffer) => {
      if (this.#death === null && !reader.push(bytes)) this.#die('it said more in one piece than it may');
    });
    // The end of the process is heard of as such.
    stdin!.on('error', () => {});
    stderr!.on('data', () => {});
    this.#process.on('error', (error) => this.#exit(`it cannot be run (${(error as NodeJS.ErrnoException).code})`));
    this.#process.on('exit', (code, signal) => this.#exit(exitText(code, signal)));
  }

  #exit(reason: string): void {
    this.#exited.resolve();
    this.#die(reason);
  }

  /** Calls come first wherever the processor is scarce; and where memory is, a plugin goes before the gateway. */
  #yield(niceness: number): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    writeFile(`/proc/${pid}/oom_score_adj`, '1000').catch(() => {});
    for (const thread of threadsOf(pid)) {
      try {
        setPriority(thread, Math.min(NICENESS_MAX, getPriority() + niceness));
      } catch {
        // Where the system does not let us, it runs as everything else.
      }
    }
  }

  #receive(line: string): void {
    if (this.#death !== null) return;
    const message = parsed(line);
    if (message?.kind === 'pong' && this.#pings > 0) this.#pong();
    else if (message?.kind === 'done' && this.#pending.has(message.n)) this.#end(message.n, endOf(message));
    else this.#hear(message);
  }

  /** An interceptor's answer is of no use any more. An event is late only if it is not another one that keeps the process. */
  #overdue(n: number, text: string): void {
    const pending = this.#pending.get(n);
    if (pending === undefined) return;
    if (pending.kind === 'intercept') {
      this.#end(n, { end: 'late', text });
      return;
    }
    pending.overdue = text;
    this.#ping();
  }

  #ping(): void {
    this.#pings++;
    this.#send({ kind: 'ping' });
  }

  #pong(): void {
    this.#pings--;
    this.#lastPongAt = performance.now();
    for (const [n, { overdue }] of this.#pending) if (overdue !== null) this.#end(n, { end: 'late', text: overdue });
  }

  /** What nobody asked for has a limit: it would keep the gateway busy. */
  #hear(message: FromPlugin | null): void {
    const { onLine, onLinesDropped, onStray, limits } = this.#deps;
    if (++this.#noise > NOISE_MAX + limits.logLinesMax) this.#die('it flooded its channel');
    else if (message?.kind === 'line') onLine(levelOf(message.level), cut(message.text));
    else if (message?.kind === 'lines-dropped') onLinesDropped(countOf(message.count));
    else if (message?.kind === 'stray') onStray(cut(message.error));
    else if (message?.kind === 'defined') this.#defined.resolve(message.defined);
    else if (message?.kind === 'ready') this.#ready.resolve(message.hooks);
    else if (message?.kind === 'unloadable') this.#die(cut(message.reason));
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
    if (this.#looks % LOOKS_A_MINUTE === 0) this.#noise = 0;
    if (this.#looks++ % LOOKS_FOR_PING === 0) this.#ping();
    void this.#weigh();
  }

  /** Buffers lie outside of the heap that the engine limits. */
  async #weigh(): Promise<void> {
    const bytes = await this.#bytesHeld();
    const { heapBytesMax } = this.#deps.limits;
    if (bytes === null || this.#ownBytes === null || bytes - this.#ownBytes <= heapBytesMax) return;
    this.#die(`it held more than ${heapBytesMax} bytes`);
  }

  /** Only Linux says it without another process; elsewhere the engine's own limit has to do. */
  async #bytesHeld(): Promise<number | null> {
    try {
      const [, resident] = (await readFile(`/proc/${this.#process.pid}/statm`, 'utf8')).split(' ');
      return Number(resident) * PAGE_BYTES;
    } catch {
      return null;
    }
  }

  /** What is sent in one turn of the event loop goes in one piece. */
  #send(message: ToPlugin): void {
    const { stdin } = this.#process;
    if (!stdin!.writable) return;
    if (stdin!.writableCorked === 0) {
      stdin!.cork();
      process.nextTick(() => stdin!.uncork());
    }
    stdin!.write(`${JSON.stringify(message)}\n`);
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
    this.#process.kill('SIGKILL');
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream?.destroy();
    const error = new Error(reason);
    this.#defined.reject(error);
    this.#ready.reject(error);
    const alone = [...this.#pending.values()].filter(({ kind }) => kind === 'event').length === 1;
    for (const n of [...this.#pending.keys()]) this.#end(n, { end: 'died', text: reason, alone });
    this.#deps.onDeath(reason);
  }
}

/** Throws where the system gives no process: without descriptors it has no pipes, and says so in an event as well. */
function spawned(folder: PluginFolder, { heapBytesMax }: PluginLimits, stateDir: string): ChildProcess {
  const args = [`--max-old-space-size=${Math.floor(heapBytesMax / MIB)}`, INSIDE];
  const child = spawn(process.execPath, args, {
    cwd: folder.path,
    env: environment(stateDir),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (child.stdin && child.stdout && child.stderr) return child;
  child.on('error', () => {});
  throw new Error('it cannot be run: the system gives no process or no pipes to it');
}

/** On Linux each thread has a priority of its own: one that collects garbage would keep the gateway's. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [pid];
  }
}

function environment(stateDir: string): NodeJS.ProcessEnv {
  const own = ENVIRONMENT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
  // What it loads is compiled once, not at each new start: a fifth of the processor's time.
  return { ...Object.fromEntries(own), NODE_COMPILE_CACHE: join(stateDir, 'plugin-cache') };
}

function parsed(line: string): FromPlugin | null {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === 'object' && message !== null ? (message as FromPlugin) : null;
  } catch {
    return null;
  }
}

function endOf({ error, answer }: Extract<FromPlugin, { kind: 'done' }>): TaskEnd {
  return error === null ? { end: 'done', answer } : { end: 'threw', text: cut(error) };
}

/** An engine that runs out of memory aborts itself. */
function exitText(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGABRT' || code === 134) return 'its process ended with an abort: most likely it ran out of memory';
  return signal === null ? `its process ended with code ${code}` : `its process ended with ${signal}`;
}

/** Its process says what it likes: even the text of an object can be something that throws. */
function cut(text: unknown): string {
  return (typeof text === 'string' ? text : JSON.stringify(text ?? null)).slice(0, TEXT_CHARS_MAX);
}

function levelOf(level: unknown): 'info' | 'warn' | 'error' {
  return level === 'warn' || level === 'error' ? level : 'info';
}

function countOf(count: unknown): number {
  return Number.isSafeInteger(count) && (count as number) > 0 ? (count as number) : 0;
}
