/** What access brings to the store: the keys' statements and scripts, and which of them need not reach the disk. */
import type { RoomWrites } from '../store/compile.ts';
import { ACCESS_STATEMENTS } from './statements.ts';

export const ACCESS_WRITES: RoomWrites = {
  statements: ACCESS_STATEMENTS,
  scripts: new URL('./scripts.ts', import.meta.url),
};

/** It only looks. */
export const KEY_SCRIPTS = ['readKeys'] as const;
