/**
 * Ends this process when the gateway that began it is gone, also while the plugin spins and nothing else here is heard: by
 * a thread of its own that looks who the parent is.
 */
import { Worker } from 'node:worker_threads';

const LOOK_MS = 1_000;

export function endWith(parent: number): void {
  const watch = `setInterval(() => process.ppid === ${parent} || process.kill(process.pid, 'SIGKILL'), ${LOOK_MS})`;
  const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 };
  new Worker(watch, { eval: true, env: {}, resourceLimits: limits }).unref();
}
