/** What anybody is told of a key: no hash, no value of a header that it forces. Pure. */
import type { KeyInfo } from '@weighbridge/protocol';
import { isOver, type KeyRecord } from './key-ring.ts';
import { shownOf } from './key-text.ts';

export function keyInfo(record: KeyRecord, nowMs: number): KeyInfo {
  const { keyId, tenantId, name, scopes, agentId, forced, createdAt, createdBy, expiresAt, revokedAt } = record;
  const whileIn = isOver(record, nowMs) ? 'expired' : 'active';
  return {
    object: 'key',
    keyId,
    tenantId,
    name,
    shown: shownOf(keyId),
    state: revokedAt === null ? whileIn : 'revoked',
    scopes: [...scopes],
    agentId,
    headers: [...new Set([...Object.keys(forced.attribution), ...Object.keys(forced.outbound)])],
    noOutboundHeaders: record.noOutboundHeaders ?? false,
    createdAt: new Date(createdAt).toISOString(),
    createdBy,
    expiresAt: momentText(expiresAt),
    revokedAt: momentText(revokedAt),
  };
}

function momentText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
