/**
 * Keys without a gateway of this state directory: on the ledger's database itself. A SQLite file that a gateway has is
 * refused by its lock; on PostgreSQL the other gateways notice what changed here as they notice each other's changes.
 */
import type { CreatedKey, KeyInfo, KeyRequest } from '@weighbridge/protocol';
import { loadConfig } from '../config/load.ts';
import { type Caller, DEFAULT_TENANT, SCOPES } from '../domain/caller.ts';
import { type LedgerFlags, withSnapshot, withWriter } from './ledger-database.ts';
import type { Surroundings } from './surroundings.ts';

const OPERATOR: Caller = { tenantId: DEFAULT_TENANT, keyId: null, scopes: new Set(SCOPES) };

export async function createOnDatabase(
  request: KeyRequest,
  flags: LedgerFlags,
  surroundings: Surroundings,
): Promise<CreatedKey> {
  const [{ keyOrder }, { keyInfo }] = await Promise.all([
    import('../access/key-order.ts'),
    import('../access/key-info.ts'),
  ]);
  return onDatabase(flags, surroundings, async (keys) => {
    const { text, record } = await keys.create(keyOrder(request, OPERATOR, Date.now()));
    return { ...keyInfo(record, Date.now()), key: text };
  });
}

/** Null: there is no such key. */
export async function revokeOnDatabase(
  keyId: string,
  flags: LedgerFlags,
  surroundings: Surroundings,
): Promise<KeyInfo | null> {
  const { keyInfo } = await import('../access/key-info.ts');
  return onDatabase(flags, surroundings, async (keys) => {
    const record = await keys.revoke(null, keyId);
    return record === null ? null : keyInfo(record, Date.now());
  });
}

export async function listOnDatabase(flags: LedgerFlags, surroundings: Surroundings): Promise<KeyInfo[]> {
  const [{ storedKeys }, { keyInfo }] = await Promise.all([
    import('../access/keys.ts'),
    import('../access/key-info.ts'),
  ]);
  return withSnapshot(flags, surroundings, async (store) =>
    (await storedKeys(store)).map((record) => keyInfo(record, Date.now())),
  );
}

async function onDatabase<Answer>(
  flags: LedgerFlags,
  { variables }: Surroundings,
  work: (keys: import('../access/keys.ts').Keys) => Promise<Answer>,
): Promise<Answer> {
  const { config } = await loadConfig({ flags, variables });
  const [{ Keys }, { ACCESS_WRITES }, { IdSource }, { systemClock }] = await Promise.all([
    import('../access/keys.ts'),
    import('../access/room.ts'),
    import('../lib/ids.ts'),
    import('../lib/clock.ts'),
  ]);
  return withWriter(config.database, [ACCESS_WRITES], async (store) => {
    const { holdMs } = config.ledger;
    const keysMax = () => config.limits.keysMax;
    return work(await Keys.begin({ store, clock: systemClock, ids: new IdSource(), keysMax, holdMs }, false));
  });
}
