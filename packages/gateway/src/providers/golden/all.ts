/** All golden answers, of every dialect. */
import { ANTHROPIC } from './anthropic.ts';
import { COMPLETIONS } from './completions.ts';
import type { Golden } from './golden.ts';
import { GOOGLE } from './google.ts';
import { RESPONSES } from './responses.ts';

export const GOLDENS: readonly Golden[] = [...COMPLETIONS, ...RESPONSES, ...ANTHROPIC, ...GOOGLE];
