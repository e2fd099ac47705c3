/** What a verb gets from the program around it, and the ways in which it ends. Exit codes are documented in `--help`. */
import type { LoadedConfig, LoadRequest } from '../config/load.ts';

export interface RunningGateway {
  url: string;
  /** Reads the configuration again; rejects where it is refused, which the log then has. */
  reload(): Promise<unknown>;
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
  startGateway(loaded: LoadedConfig, request: LoadRequest): Promise<RunningGateway>;
}

/** How a verb may end. */
export const EXIT = { ok: 0, failed: 1, usage: 2, differs: 3 } as const;

/** The same for people: what `--help` and docs/cli.md say. */
export const EXIT_CODES: readonly { code: number; meaning: string }[] = [
  { code: EXIT.ok, meaning: 'done; also a watch that was ended, and a gateway that drained' },
  { code: EXIT.failed, meaning: 'it could not do what it was asked; the reason is on stderr' },
  { code: EXIT.usage, meaning: 'wrong arguments, or a configuration that is refused' },
  {
    code: EXIT.differs,
    meaning: 'it looked and found something wrong: a failure (doctor), a difference (ledger verify)',
  },
  {
    code: 130,
    meaning: 'serve: a second signal came while it drained, Ctrl-C (SIGINT); shells show it for any verb so ended',
  },
  { code: 143, meaning: 'the same with SIGTERM' },
];

/** A verb that could not do what it was asked, in a sentence for people. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.name = 'Failure';
    this.exitCode = exitCode;
  }
}
