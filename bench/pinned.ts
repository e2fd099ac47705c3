/**
 * The processes of a bench and the core each runs on: what is measured has one to itself, everything else shares the
 * other. Where `taskset` is absent nothing is pinned, and ratios are worth less.
 */
import { spawnSync } from 'node:child_process';
import { Child } from '../test/rig/child.ts';
import { cleanEnvironment } from '../test/rig/gateway-process.ts';

const MEASURED_CORE = '0';
const OTHER_CORE = '1';
const READY_TIMEOUT_MS = 60_000;

export const canPin = spawnSync('taskset', ['-c', MEASURED_CORE, 'true']).status === 0;
const children: Child[] = [];

/** This process, which makes the load, goes to the core of everything else. */
export function pinItself(): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', OTHER_CORE, String(process.pid)]);
  else console.log('taskset is absent: nothing is pinned, ratios are worth less');
}

export interface Started {
  child: Child;
  pid: number;
  /** What `ready` found in its output. */
  url: string;
}

/** A script of ours on the core where things are measured, or with `beside` on the other. */
export async function start(
  args: string[],
  ready: RegExp,
  { beside = false, env = cleanEnvironment() }: { beside?: boolean; env?: NodeJS.ProcessEnv } = {},
): Promise<Started> {
  const core = beside ? OTHER_CORE : MEASURED_CORE;
  const child = new Child({
    command: canPin ? 'taskset' : process.execPath,
    args: canPin ? ['-c', core, process.execPath, ...args] : args,
    env,
    ready,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  children.push(child);
  const url = await child.ready;
  return { child, pid: child.process.pid!, url };
}

/** Ends the one that was started last, as an operator does. */
export async function endLast(): Promise<void> {
  await children.pop()?.end();
}

export async function endAll(): Promise<void> {
  for (const child of children.splice(0)) await child.end('SIGKILL');
}
