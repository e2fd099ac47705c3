/**
 * A plugin's console, inside its process: whole lines, cut and counted before they leave it, so that a flood costs the
 * process that makes it and nobody else. Its standard output is our channel and is taken away too.
 */
import { format } from 'node:util';
import type { FromPlugin } from '../messages.ts';

const LINE_CHARS_MAX = 2048;
const WINDOW_MS = 60_000;

type Level = 'info' | 'warn' | 'error';

export interface Lines {
  say(level: Level, ...message: unknown[]): void;
}

export function takeConsole(send: (message: FromPlugin) => void, linesMax: number): Lines {
  let windowEndsAt = 0;
  let left = 0;
  let dropped = 0;
  const line = (level: Level, text: string): void => {
    const now = performance.now();
    if (now >= windowEndsAt) {
      windowEndsAt = now + WINDOW_MS;
      left = linesMax;
      if (dropped > 0) send({ kind: 'lines-dropped', count: dropped });
      dropped = 0;
    }
    if (left > 0) {
      left--;
      send({ kind: 'line', level, text: text.slice(0, LINE_CHARS_MAX) });
    } else if (dropped++ === 0) {
      send({ kind: 'line', level: 'warn', text: `more than ${linesMax} lines in a minute: the rest is dropped` });
    }
  };
  const say = (level: Level, ...message: unknown[]): void => line(level, format(...message));
  const levels = { log: 'info', info: 'info', debug: 'info', trace: 'info', dir: 'info', warn: 'warn', error: 'error' };
  for (const [name, level] of Object.entries(levels)) {
    Object.assign(console, { [name]: (...message: unknown[]) => say(level as Level, ...message) });
  }
  for (const [stream, level] of [
    [process.stdout, 'info'],
    [process.stderr, 'error'],
  ] as const) {
    Object.assign(stream, {
      write: (chunk: unknown, ...rest: unknown[]) => {
        line(level, String(chunk).trimEnd());
        const done = rest.at(-1);
        if (typeof done === 'function') queueMicrotask(() => done());
        return true;
      },
    });
  }
  return { say };
}
