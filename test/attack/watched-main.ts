/**
 * The program itself, unchanged, which on SIGUSR2 collects its garbage and says on a line `held {…}` what it still holds:
 * bytes on the heap and beside it, and what keeps the event loop alive (sockets, timers). Resident memory cannot tell
 * this: it grows with what V8 and SQLite think they may take.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the program holds after a collection. */
export interface Held {
  bytes: number;
  residentBytes: number;
  /** By kind, `TCPSocketWrap` and the like. */
  resources: Record<string, number>;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGUSR2', async () => {
  collect();
  // What finalizers let go in between is gone after the second.
  await delay(10);
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources: Held['resources'] = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const held: Held = { bytes: heapUsed + external, residentBytes: rss, resources };
  process.stdout.write(`held ${JSON.stringify(held)}\n`);
});

await import('../../packages/gateway/src/main.ts');
