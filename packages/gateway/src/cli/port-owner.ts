/**
 * Who listens on a port, best effort: Linux says it in /proc, elsewhere and for processes of other users nobody is named.
 * Only the program and its script are shown: the rest of a command line may hold secrets.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

export interface PortOwner {
  pid: number;
  command: string;
}

const LISTENING = '0A';

/** The process that listens on this port of the machine; null when it cannot be found. */
export function portOwner(port: number): PortOwner | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name) || !holdsSocket(name, inodes)) continue;
    return { pid: Number(name), command: commandOf(name) };
  }
  return null;
}

/** The sentence for a taken port: whose it is, and what to do. */
export function portTakenText(
  host: string,
  port: number,
  owner: PortOwner | null,
  running: { pid: number } | null,
): string {
  const free = 'start with another (--port 18761, or --port 0 for any free one)';
  if (owner === null) return `port ${port} on ${host} is taken by another program: stop that, or ${free}.`;
  const who = `process ${owner.pid} (${owner.command})`;
  if (running?.pid === owner.pid) {
    return `port ${port} on ${host} is taken by the Weighbridge of this state directory, ${who}: it runs already. Stop it with \`kill ${owner.pid}\`, or ${free} and another --state-dir.`;
  }
  return `port ${port} on ${host} is taken by ${who}: stop that, or ${free}.`;
}

function listeningInodes(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of textOf(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${hexPort}`) && fields[3] === LISTENING && fields[9] !== undefined)
        inodes.add(fields[9]);
    }
  }
  return inodes;
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  return namesIn(`/proc/${pid}/fd`).some((name) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${name}`))?.[1];
    return inode !== undefined && inodes.has(inode);
  });
}

function commandOf(pid: string): string {
  const [program = '', ...args] = textOf(`/proc/${pid}/cmdline`).split('\0');
  const script = args[0] !== undefined && !args[0].startsWith('-') ? ` ${args[0]}` : '';
  return `${basename(program)}${script}`.trim() || 'unknown';
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
