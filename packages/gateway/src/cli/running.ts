/**
 * `STATE_DIR/gateway.json`: where the gateway of this state directory listens, for the verbs that ask it. Written when it is
 * ready, removed when it ends; after a crash it is stale, so whoever reads it must still see whether anyone answers.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RunningRecord {
  url: string;
  pid: number;
  /** ISO 8601. */
  startedAt: string;
  version: string;
}

const FILE_NAME = 'gateway.json';

export function writeRunning(stateDir: string, record: RunningRecord): void {
  const file = join(stateDir, FILE_NAME);
  const draft = `${file}.${process.pid}`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(draft, file);
}

/** Null when there is none, or none that can be read. */
export function readRunning(stateDir: string): RunningRecord | null {
  try {
    const record: unknown = JSON.parse(readFileSync(join(stateDir, FILE_NAME), 'utf8'));
    return isRecord(record) ? record : null;
  } catch {
    return null;
  }
}

/** Removes it if it is this process's own: a gateway that ends late must not erase its successor's. */
export function removeRunning(stateDir: string): void {
  if (readRunning(stateDir)?.pid === process.pid) rmSync(join(stateDir, FILE_NAME), { force: true });
}

/** An address to connect to: nobody can connect to "all addresses" everywhere. */
export function reachableUrl(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

function isRecord(value: unknown): value is RunningRecord {
  if (typeof value !== 'object' || value === null) return false;
  return 'url' in value && typeof value.url === 'string' && 'pid' in value && typeof value.pid === 'number';
}
