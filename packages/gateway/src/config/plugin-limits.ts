/** The part of the options table that says how far a plugin may go. */
import { bytes, GIB, HOUR_MS, integer, ms, type Option, RESTART } from './option.ts';

export const PLUGIN_LIMITS = {
  'limits.plugins.heapBytesMax': bytes(
    134_217_728,
    16 * GIB,
    'Memory of one plugin, its buffers included; it is ended and started anew beyond.',
    16_777_216,
    RESTART,
  ),
  'limits.plugins.loadTimeoutMs': ms(10_000, HOUR_MS, 'How long a plugin may take to load.', 1, RESTART),
  'limits.plugins.handlerTimeoutMs': ms(
    5_000,
    HOUR_MS,
    'How long a plugin may take over one event, and be deaf before it is ended and started anew.',
    1,
    RESTART,
  ),
  'limits.plugins.failuresMax': integer(
    5,
    [1, 1_000],
    'Failures of a plugin on one event before the event is set aside and it goes on with the next.',
    RESTART,
  ),
  'limits.plugins.concurrentMax': integer(
    8,
    [1, 1_000],
    'Events that one plugin is given at once, each of another session.',
    RESTART,
  ),
  'limits.plugins.logLinesMax': integer(
    120,
    [0, 1_000_000],
    'Lines of a plugin’s console that the log takes in a minute; the rest is counted.',
    RESTART,
  ),
} as const satisfies Record<string, Option>;
