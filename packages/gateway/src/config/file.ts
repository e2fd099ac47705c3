/**
 * Finds and parses the config file: `--config`, else WEIGHBRIDGE_CONFIG, else `weighbridge.json5` in the state
 * directory, else none. It never looks for an `openclaw.json` and never writes one. Reading only; meaning is decide.ts.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ConfigFile, Flags } from './decide.ts';
import type { Environment } from './environment.ts';
import { ConfigError } from './findings.ts';

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
): Promise<ConfigFile | null> {
  const asked = flags.config ?? environment.configFile;
  if (asked === null) return readJson5(join(stateDir, CONFIG_FILE_NAME), 'optional');
  return readJson5(absolute(asked), 'required', flags.config === undefined ? 'WEIGHBRIDGE_CONFIG' : '--config');
}

/** Parses one JSON5 file. `from` is what named it, for the message when it is not there. */
export async function readJson5(
  path: string,
  need: 'required' | 'optional',
  from = 'file',
): Promise<ConfigFile | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
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
