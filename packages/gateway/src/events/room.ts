/** What the event log brings to the store. A lost cursor only repeats deliveries, so moving one does not wait for the disk. */
import type { RoomWrites } from '../store/compile.ts';
import { eventStatements } from './statements.ts';

export const EVENT_WRITES: RoomWrites = {
  statements: eventStatements,
  scripts: new URL('./scripts.ts', import.meta.url),
};

export const CURSOR_SCRIPTS = ['moveCursors'] as const;
