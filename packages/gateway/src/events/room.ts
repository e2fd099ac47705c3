/** What the event log brings to the store. A lost cursor only repeats deliveries, so moving one does not wait for the disk. */
import type { RoomWrites } from '../store/compile.ts';
import { EVENT_STATEMENTS } from './statements.ts';

export const EVENT_WRITES: RoomWrites = {
  statements: EVENT_STATEMENTS,
  scripts: new URL('./scripts.ts', import.meta.url),
};

export const CURSOR_SCRIPTS = [
  'addFollowers',
  'claimFollowers',
  'moveCursors',
  'releaseFollowers',
  'rewindFollowers',
] as const;
