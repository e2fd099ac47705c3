/** What sessions bring to the store. A turn's text may ride on the operating system's cache; what people set may not. */
import type { RoomWrites } from '../store/compile.ts';
import { SESSION_STATEMENTS } from './statements.ts';

export const SESSION_WRITES: RoomWrites = {
  statements: SESSION_STATEMENTS,
  scripts: new URL('./scripts.ts', import.meta.url),
};

/** A change is not among them: it appends to the event log, whose numbers must not be given twice after a power loss. */
export const SESSION_INTENTS = [
  'openSessions',
  'addSessions',
  'recentSessions',
  'appendTurns',
  'claimLanes',
  'releaseLanes',
  'sweepSessions',
] as const;

/** Of these the ones that need not wait for their transaction: an entry that names a session must find it after a crash. */
export const SESSION_NOTED = ['addSessions'] as const;
