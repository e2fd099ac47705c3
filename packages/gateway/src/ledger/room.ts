/** What the ledger brings to the store: its statements, its scripts, and which of them write intents. */
import type { RoomWrites } from '../store/compile.ts';
import { FOLDING_STATEMENTS } from './folding-statements.ts';
import { LEDGER_STATEMENTS } from './statements.ts';

export const LEDGER_WRITES: RoomWrites = {
  statements: { ...LEDGER_STATEMENTS, ...FOLDING_STATEMENTS },
  scripts: new URL('./scripts.ts', import.meta.url),
};

/** Scripts whose commits may ride on the operating system's cache (`ledger.durability: "power"`). */
export const INTENT_SCRIPTS = ['openEntries', 'beginInstance', 'endInstance', 'beat'] as const;

/** Of these the ones that need not wait for their transaction: noted, they survive the program's death. */
export const NOTED_SCRIPTS = ['openEntries'] as const;
