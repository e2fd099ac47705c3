/** A plugin's folder as it lies on disk: its entry and its name. Reads two small files; runs nothing. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface PluginFolder {
  path: string;
  /** URL of what is imported. */
  entry: string;
  /** What its files call it: of use until the definition says its id. */
  name: string;
  /** The id of an OpenClaw manifest; null: the definition's holds. */
  manifestId: string | null;
}

export const PLUGIN_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/i;
const MANIFEST_BYTES_MAX = 1_048_576;

/** A sentence where it is none. */
export function readFolder(path: string): PluginFolder | string {
  if (!existsSync(path) || !statSync(path).isDirectory()) return 'there is no such folder';
  const manifest = readObject(join(path, 'package.json'));
  if (typeof manifest === 'string') return `its package.json ${manifest}`;
  const main = entryOf(manifest);
  if (main === null) return 'its package.json names no entry in `main`';
  const file = resolve(path, main);
  if (relative(path, file).startsWith('..')) return 'its `main` lies outside of its folder';
  if (!existsSync(file) || !statSync(file).isFile()) return `its entry ${main} is not there`;
  const foreign = readObject(join(path, 'openclaw.plugin.json'));
  const id = typeof foreign === 'string' ? null : foreign.id;
  const manifestId = typeof id === 'string' && PLUGIN_ID.test(id) ? id : null;
  const { name } = manifest;
  return {
    path,
    entry: pathToFileURL(file).href,
    name: manifestId ?? (typeof name === 'string' && name !== '' ? name : basename(path)),
    manifestId,
  };
}

/** OpenClaw names the entry in a list of its own. */
function entryOf({ main, openclaw }: Record<string, unknown>): string | null {
  if (typeof main === 'string' && main !== '') return main;
  const extensions = (openclaw as { extensions?: unknown } | undefined)?.extensions;
  const [first] = Array.isArray(extensions) ? (extensions as unknown[]) : [];
  return typeof first === 'string' ? first : null;
}

function readObject(file: string): Record<string, unknown> | string {
  if (!existsSync(file)) return 'is not there';
  if (statSync(file).size > MANIFEST_BYTES_MAX) return 'is too large';
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // What is wrong with it is its author's to find.
  }
  return 'is not a JSON object';
}
