/** From the file to what is known of plugins before one is read: folders, entries, limits. Opens no folder. Pure. */
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { NO_PLUGINS, type PluginEntry, type PluginLimits, type PluginSettings } from '../domain/plugin.ts';
import { Secret } from '../lib/secret.ts';
import type { ConfigFile } from './inputs.ts';
import type { FileTree, PluginTree } from './tree.ts';
import { setting } from './tree.ts';

export function decidePlugins(tree: FileTree | null, file: ConfigFile | null): PluginSettings {
  const limits = decideLimits(tree);
  if (file === null || !setting(tree, 'plugins.enabled')) return { ...NO_PLUGINS, limits };
  const { load, entries = {} } = tree?.plugins ?? {};
  const folders = (load?.paths ?? []).map((path) => folderOf(path, file));
  return {
    // A folder that is named twice is one plugin.
    folders: [...new Set(folders)],
    entries: new Map(Object.entries(entries).map(([id, entry]) => [id, entryOf(entry)])),
    limits,
  };
}

function folderOf(path: string, file: ConfigFile): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return resolve(dirname(file.path), path);
}

function entryOf({ enabled = true, config = {}, intercept = {} }: PluginTree): PluginEntry {
  const { timeoutMs = null, onFailure = null } = intercept;
  return { enabled, config: new Secret(JSON.stringify(config)), intercept: { timeoutMs, onFailure } };
}

function decideLimits(tree: FileTree | null): PluginLimits {
  return {
    heapBytesMax: setting(tree, 'limits.plugins.heapBytesMax'),
    loadTimeoutMs: setting(tree, 'limits.plugins.loadTimeoutMs'),
    handlerTimeoutMs: setting(tree, 'limits.plugins.handlerTimeoutMs'),
    failuresMax: setting(tree, 'limits.plugins.failuresMax'),
    concurrentMax: setting(tree, 'limits.plugins.concurrentMax'),
    logLinesMax: setting(tree, 'limits.plugins.logLinesMax'),
  };
}
