/** The log as the program writes it: one JSON line for each thing worth knowing, on stderr, and the last ones in memory. */
import pino, { type Logger } from 'pino';
import type { LineRing } from './line-ring.ts';

/** stdout belongs to the ready line. */
export function standardLog(lines: LineRing): Logger {
  const stderr = pino.destination({ fd: 2, sync: true });
  const both = {
    write(line: string): void {
      lines.write(line);
      stderr.write(line);
    },
  };
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, both);
}
