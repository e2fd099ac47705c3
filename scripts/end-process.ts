/** Ends a process that takes too long: asked first, so that it can say where it was, and by force where it does not hear. */
import type { ChildProcess } from 'node:child_process';

export function endProcess(child: ChildProcess, patienceMs: number): void {
  child.kill();
  const force = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  child.once('exit', () => clearTimeout(force));
}
