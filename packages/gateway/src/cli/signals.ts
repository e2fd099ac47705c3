/** For verbs that write a file of their own: what they made is taken away when a signal ends them in the middle. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Gives back what stops listening. The exit code is the one that shells give for the signal. */
export function cleanUpOnSignal(cleanUp: () => void): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      cleanUp();
      process.exit(128 + constants.signals[signal]);
    };
    process.once(signal, listener);
    return (): void => void process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
