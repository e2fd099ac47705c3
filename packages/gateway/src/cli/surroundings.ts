/** What a verb gets from the program around it, and the ways in which it ends. Exit codes are documented in `--help`. */
import type { GatewayConfig, GatewaySecrets } from '../domain/config.ts';

export interface RunningGateway {
  url: string;
  /** Drains, then closes. */
  close(): Promise<void>;
}

export interface Surroundings {
  /** Answers. Everything else, warnings and progress, goes to `stderr`. */
  stdout(text: string): void;
  stderr(text: string): void;
  /** Much to `stdout`: resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** `stdout` is a terminal: a watch may redraw it. */
  isTerminal: boolean;
  /** There a new token may be shown and a progress bar redrawn. */
  stderrIsTerminal: boolean;
  variables: Readonly<Record<string, string | undefined>>;
  /** Calls the listener once, at the first Ctrl-C; the program then does not end by itself. */
  onInterrupt(listener: () => void): void;
  startGateway(config: GatewayConfig, secrets: GatewaySecrets): Promise<RunningGateway>;
}

/** How a verb may end; docs/cli.md repeats it for people. */
export const EXIT = {
  ok: 0,
  /** It could not do what it was asked. */
  failed: 1,
  /** Wrong arguments, or a configuration that is refused. */
  usage: 2,
  /** It looked, and found what must not be: doctor a failure, a verification a difference. */
  differs: 3,
} as const;

/** A verb that could not do what it was asked, in a sentence for people. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.name = 'Failure';
    this.exitCode = exitCode;
  }
}
