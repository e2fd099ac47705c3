/**
 * Finds and parses the config file: `--config`, else WEIGHBRIDGE_CONFIG, else `weighbridge.json5` in the state
 * directory, else none. It never looks for an `openclaw.json` and never writes one. Reading only; meaning is decide.ts.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './environment.ts';
import { ConfigError } from './findings.ts';
import type { ConfigFile, Flags } from './inputs.ts';

export const CONFIG_FILE_NAME = 'weighbridge.json5';

/** Where everything of one gateway lies: flag, else variable, else `~/.weighbridge`. */
export function stateDirOf(flags: Flags, environment: Environment): string {
  return absolute(flags.stateDir ?? environment.stateDir ?? join('~', '.weighbridge'));
}

/** The file in use, parsed; null for the built-in configuration. A file that was asked for must exist. */
export async function readConfigFile(
  flags: Flags,
  environment: Environment,
  stateDir: string,
  again: { file: string | null } | null = null,
): Promise<ConfigFile | null> {
  const asked = flags.config ?? environment.configFile;
  const read = again === null ? readText : readSettled;
  if (asked === null) {
    // Saved by a program that removes it first, it is away for a moment: that must not mean the built-in configuration.
    const need = again === null || again.file === null ? 'optional' : 'required';
    return readJson5(join(stateDir, CONFIG_FILE_NAME), need, CONFIG_FILE_NAME, read);
  }
  return readJson5(absolute(asked), 'required', flags.config === undefined ? 'WEIGHBRIDGE_CONFIG' : '--config', read);
}

const readText = (path: string): Promise<string> => readFile(path, 'utf8');

const SETTLED_MS = 50;
const SETTLING_READS_MAX = 20;

/** A file that is being written is read until it is twice the same, and waited for while it is away. */
async function readSettled(path: string): Promise<string> {
  let last: string | null = null;
  for (let read = 0; read < SETTLING_READS_MAX; read++) {
    if (read > 0) await sleep(SETTLED_MS);
    const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (text !== null && text === last) return text;
    last = text;
  }
  return readText(path);
}

/** Parses one JSON5 file. `from` is what named it, for the message when it is not there. */
export async function readJson5(
  path: string,
  need: 'required' | 'optional',
  from = 'file',
  read: (path: string) => Promise<string> = readText,
): Promise<ConfigFile | null> {
  let text: string;
  try {
    text = await read(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (need === 'optional' && code === 'ENOENT') return null;
    const message = code === 'ENOENT' ? `there is no file ${path}.` : `${path} cannot be read (${code}).`;
    throw new ConfigError([{ path: from, message, hint: null }], null);
  }
  const { default: JSON5 } = await import('json5');
  try {
    return { path, content: JSON5.parse<unknown>(text.replace(/^\uFEFF/, '')) };
  } catch (error) {
    // The parser's message shows at most one character of the text.
    const message = error instanceof Error ? error.message.replace(/^JSON5: /, '') : 'invalid';
    throw new ConfigError([{ path: '(syntax)', message: `${message}.`, hint: 'The file is JSON5.' }], path);
  }
}

/** Unit files and container settings are not expanded by any shell, so `~` is. */
export function absolute(path: string): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return resolve(path);
}
