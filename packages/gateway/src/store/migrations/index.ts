/** All migrations, oldest first. A landed migration is never edited: a change of schema is a new file and a new line here. */
import type { Kysely } from 'kysely';
import type { Engine } from '../store.ts';
import { up as ledger } from './0001-ledger.ts';
import { up as sharedDatabase } from './0003-shared-database.ts';
import { up as importing } from './0004-import.ts';
import { up as foldedRollups } from './0005-folded-rollups.ts';
import { up as pageIndexes } from './0006-page-indexes.ts';
import { up as prices } from './0007-prices.ts';
import { up as keys } from './0008-keys.ts';
import { up as foldedOutcomes } from './0009-folded-outcomes.ts';
import { up as sessions } from './0010-sessions.ts';
import { up as webhooks } from './0011-webhooks.ts';
import { up as plugins } from './0012-plugins.ts';
import { up as reports } from './0013-reported.ts';
import { up as foldedShapes } from './0014-folded-shapes.ts';

export const MIGRATIONS: Readonly<Record<string, (db: Kysely<unknown>, engine: Engine) => Promise<void>>> = {
  '0001-ledger': ledger,
  '0003-shared-database': sharedDatabase,
  '0004-import': importing,
  '0005-folded-rollups': foldedRollups,
  '0006-page-indexes': pageIndexes,
  '0007-prices': prices,
  '0008-keys': keys,
  '0009-folded-outcomes': foldedOutcomes,
  '0010-sessions': sessions,
  '0011-webhooks': webhooks,
  '0012-plugins': plugins,
  '0013-reported': reports,
  '0014-folded-shapes': foldedShapes,
};

/** Throws when the database holds a migration that this version does not know. */
export function refuseUnknown(applied: readonly string[]): void {
  const unknown = applied.find((name) => MIGRATIONS[name] === undefined);
  if (unknown === undefined) return;
  throw new Error(`the database was written by a newer Weighbridge (migration ${unknown}); start that version instead`);
}
