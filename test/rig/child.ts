/**
 * A child process that says on its standard output when it is ready. Knows nothing of the gateway; keeps what the child
 * said, so that a failure can show it.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface ChildOptions {
  command?: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** The first match's first group is the answer of `ready`. */
  ready: RegExp;
  readyTimeoutMs?: number;
  /** Told of each piece of output; `output` keeps only the last of it. */
  onOutput?: ((text: string) => void) | undefined;
}

export class Child {
  readonly process: ChildProcess;
  /** Rejects when the child ends first or the time is up. */
  readonly ready: Promise<string>;
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  output = '';

  constructor(options: ChildOptions) {
    this.process = spawn(options.command ?? process.execPath, options.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
    });
    const ready = Promise.withResolvers<string>();
    const exited = Promise.withResolvers<number | string>();
    const timer = setTimeout(
      () => ready.reject(new Error(`not ready in time; it said:\n${this.output}`)),
      options.readyTimeoutMs ?? 60_000,
    );
    const listen = (text: string): void => {
      this.output = (this.output + text).slice(-100_000);
      options.onOutput?.(text);
      const match = options.ready.exec(this.output);
      if (match !== null) ready.resolve(match[1] ?? '');
    };
    this.process.stdout!.setEncoding('utf8').on('data', listen);
    this.process.stderr!.setEncoding('utf8').on('data', listen);
    this.process.on('error', (error) => ready.reject(error));
    // `close`, not `exit`: the last output has been read by then.
    this.process.on('close', (code, signal) => {
      clearTimeout(timer);
      exited.resolve(code ?? signal ?? -1);
      ready.reject(new Error(`it ended (${code ?? signal}) before it was ready; it said:\n${this.output}`));
    });
    void ready.promise.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
    this.ready = ready.promise;
    this.exited = exited.promise;
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.signal(name);
    return this.exited;
  }
}
