/** What `doctor` says of plugins: each is loaded as `serve` would load it, without being told of a start, and ended. */
import type { PluginSettings } from '../domain/plugin.ts';
import type { Check } from './check.ts';

const SUBJECT = 'plugin';

export async function pluginChecks(settings: PluginSettings, stateDir: string): Promise<Check[]> {
  const { folders, entries, limits } = settings;
  if (folders.length === 0 && entries.size === 0) return [];
  const [{ readFolder }, { Plugin }] = await Promise.all([
    import('../plugins/folder.ts'),
    import('../plugins/plugin.ts'),
  ]);
  const ids = new Set<string>();
  const checks: Check[] = [];
  for (const path of folders) {
    const folder = readFolder(path);
    if (typeof folder === 'string') {
      checks.push({ subject: SUBJECT, verdict: 'warning', text: `${path}: ${folder}` });
      continue;
    }
    const plugin = new Plugin({
      folder,
      stateDir,
      limits,
      entryOf: (id) => entries.get(id) ?? null,
      onLine: () => {},
      onDied: () => {},
      onStarted: () => {},
    });
    await plugin.load();
    const twin = ids.has(plugin.id) ? `there is another plugin "${plugin.id}"` : null;
    checks.push(loadedCheck(plugin, twin));
    ids.add(plugin.id);
    await plugin.end();
  }
  return [...checks, ...unusedChecks(settings, ids)];
}

function loadedCheck(plugin: InstanceType<typeof import('../plugins/plugin.ts').Plugin>, twin: string | null): Check {
  const { id, folder, status, reason, hooks, intercepts, intercept } = plugin;
  if (status === 'disabled') return { subject: SUBJECT, verdict: 'note', text: `${id}: disabled` };
  if (twin !== null) return { subject: SUBJECT, verdict: 'warning', text: `${folder.path}: ${twin}` };
  if (status !== 'running') return { subject: SUBJECT, verdict: 'warning', text: `${id} (${folder.path}): ${reason}` };
  const decides = intercepts ? `; decides within ${intercept.timeoutMs} ms, ${intercept.onFailure}` : '';
  return { subject: SUBJECT, verdict: 'ok', text: `${id}: ${hooks.join(', ')}${decides}` };
}

/** Entries of OpenClaw's own plugins are many: one line for all. */
function unusedChecks({ entries }: PluginSettings, ids: ReadonlySet<string>): Check[] {
  const unused = [...entries.keys()].filter((id) => !ids.has(id));
  if (unused.length === 0) return [];
  return [{ subject: SUBJECT, verdict: 'note', text: `plugins.entries without a plugin here: ${unused.join(', ')}` }];
}
