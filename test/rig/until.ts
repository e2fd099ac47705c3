/** Waits for a condition of another process or file that sends no event; says what it waited for when it gives up. */
import { setTimeout as sleep } from 'node:timers/promises';

export async function until(
  what: string,
  question: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await question())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(10);
  }
}
