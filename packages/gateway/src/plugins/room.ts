/** What plugins bring to the store. What is lost with a power cut is delivered again, so nothing of it waits for the disk. */
import type { RoomWrites } from '../store/compile.ts';
import { PLUGIN_STATEMENTS } from './statements.ts';

export const PLUGIN_WRITES: RoomWrites = {
  statements: PLUGIN_STATEMENTS,
  scripts: new URL('./scripts.ts', import.meta.url),
};

export const PLUGIN_SCRIPTS = ['setPluginEventsAside', 'replayPluginEventsAside', 'dropPluginEventsAside'] as const;
