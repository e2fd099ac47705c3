/** What webhooks bring to the store. A lost attempt is only made again, so that recording one does not wait for the disk. */
import type { RoomWrites } from '../store/compile.ts';
import { WEBHOOK_STATEMENTS } from './statements.ts';

export const WEBHOOK_WRITES: RoomWrites = {
  statements: WEBHOOK_STATEMENTS,
  scripts: new URL('./scripts.ts', import.meta.url),
};

export const DELIVERY_SCRIPTS = ['recordDeliveries'] as const;
