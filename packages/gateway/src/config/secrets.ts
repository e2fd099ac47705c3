/**
 * The callers' token and password as the gateway holds them. A token that nobody gave lies in `STATE_DIR/token`: made
 * once, 0600 in a directory 0700, complete from the moment it has its name. This file writes it; nothing prints it here.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AuthMode, GatewaySecrets } from '../domain/config.ts';
import { Secret } from '../lib/secret.ts';
import type { Decision } from './decide.ts';
import { ConfigError } from './findings.ts';

export const TOKEN_FILE_NAME = 'token';
const TOKEN_BYTES = 32;

export interface TokenOrigin {
  /** What gave it: a flag, a variable, a path of the config file, or the token's file. */
  from: string;
  /** The token's file, when it came from there. */
  file: string | null;
  /** It was made just now. */
  created: boolean;
}

export interface HeldSecrets {
  secrets: GatewaySecrets;
  token: TokenOrigin | null;
  warnings: string[];
}

/** Completes what was given. Without `create`, a token that does not exist yet stays null. */
export function holdSecrets(mode: AuthMode, given: Decision['given'], stateDir: string, create: boolean): HeldSecrets {
  const none: HeldSecrets = { secrets: { token: null, password: null }, token: null, warnings: [] };
  if (mode === 'none') return none;
  if (mode === 'password') return { ...none, secrets: { token: null, password: given.password?.secret ?? null } };
  if (given.token !== null) {
    const { secret, from } = given.token;
    return { ...none, secrets: { token: secret, password: null }, token: { from, file: null, created: false } };
  }
  const file = join(stateDir, TOKEN_FILE_NAME);
  const created = create && makeTokenFile(stateDir, file);
  const secret = readTokenFile(file);
  if (secret === null) return none;
  return {
    secrets: { token: secret, password: null },
    token: { from: file, file, created },
    warnings: openToOthers(file) ? [`${file} can be read by other users; chmod 600 it`] : [],
  };
}

/** The directory for everything that is kept, closed to other users. */
export function makeStateDir(stateDir: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(stateDir, error);
  }
}

/** Whether group or others may read a path. Always false where permission bits mean nothing. */
export function openToOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0;
}

/** True when this call made it. Two starts at once agree on one token: a link cannot replace a name. */
function makeTokenFile(stateDir: string, file: string): boolean {
  makeStateDir(stateDir);
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(draft, `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`, {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
    // The mask of the process may have taken bits away, never added any; this is for those it took.
    chmodSync(draft, 0o600);
    nameOnce(draft, file);
    // Without these two flushes a power loss leaves an empty token, and a gateway that does not start.
    flushFolder(stateDir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw unusable(stateDir, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

function flushFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function nameOnce(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    // Not every file system has links. A copy may be read half written, but it still replaces nothing.
    copyFileSync(draft, file, constants.COPYFILE_EXCL);
  }
}

function readTokenFile(file: string): Secret | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unusable(file, error);
  }
  if (/^[\x21-\x7e]+$/.test(text)) return new Secret(text);
  const hint = 'Delete it to have a new one made.';
  throw new ConfigError([{ path: file, message: 'does not hold a token.', hint }], null);
}

function unusable(path: string, error: unknown): ConfigError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  const hint = 'Make it yours, or choose another with --state-dir.';
  return new ConfigError([{ path, message: `cannot be used (${code}).`, hint }], null);
}
