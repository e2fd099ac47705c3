/**
 * Who is here: this gateway, and the clients that people sit at. Programs come and go in thousands and are not listed,
 * as in OpenClaw. A key sees its own tenant's.
 */
import { hostname } from 'node:os';
import type { Caller } from '../domain/caller.ts';
import { isOperator } from '../domain/caller.ts';
import type { Connection } from './connection.ts';

const SHOWN_MODES: ReadonlySet<string> = new Set(['ui', 'webchat']);
const SHOWN_MAX = 200;

export interface PresenceEntry {
  host: string;
  version: string;
  platform: string;
  mode: string;
  reason: string;
  text: string;
  ts: number;
  [field: string]: unknown;
}

export function isShown({ identity }: Connection): boolean {
  return SHOWN_MODES.has(identity.client.mode);
}

export function presenceFor(
  caller: Caller,
  connections: Iterable<Connection>,
  own: { version: string; bootId: string; now: number },
): PresenceEntry[] {
  const list = [ownEntry(own)];
  for (const connection of connections) {
    if (list.length > SHOWN_MAX) break;
    const isSeen = isOperator(caller) || connection.identity.caller.tenantId === caller.tenantId;
    if (isSeen && isShown(connection)) list.push(entryOf(connection, own.now));
  }
  return list;
}

function ownEntry({ version, bootId, now }: { version: string; bootId: string; now: number }): PresenceEntry {
  const host = hostname();
  return {
    host,
    version,
    platform: process.platform,
    mode: 'gateway',
    reason: 'self',
    instanceId: bootId,
    text: `Gateway: ${host} · weighbridge ${version}`,
    ts: now,
  };
}

function entryOf({ identity, connectedAt }: Connection, now: number): PresenceEntry {
  const { client, scopes, deviceId } = identity;
  return {
    host: client.displayName ?? client.id,
    version: client.version,
    platform: client.platform,
    ...(client.deviceFamily === undefined ? {} : { deviceFamily: client.deviceFamily }),
    mode: client.mode,
    reason: 'connect',
    ...(client.instanceId === undefined ? {} : { instanceId: client.instanceId }),
    ...(deviceId === null ? {} : { deviceId }),
    roles: ['operator'],
    scopes: [...scopes],
    onlineSince: connectedAt,
    text: `${client.displayName ?? client.id} · mode ${client.mode}`,
    ts: now,
  };
}
