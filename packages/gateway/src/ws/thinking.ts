/** Levels of thinking are the model's own business here: nothing is switched by us, and clients are told so. */
import { invalid } from './wire-errors.ts';

export const THINKING = {
  thinkingLevels: [{ id: 'off', label: 'off' }],
  thinkingOptions: ['off'],
  thinkingDefault: 'off',
};

/** In OpenClaw's words for a model that has no levels. */
export function refuseThinking(level: string | null | undefined): void {
  if (level === undefined || level === null || level === '' || level === 'off') return;
  throw invalid(`thinkingLevel "${level.slice(0, 32)}" is not supported here (use off)`);
}
