/** OpenClaw's `plugin-sdk/plugin-entry` for plugins that were written for it: the definition as it is. */

export function definePluginEntry<Definition>(definition: Definition): Definition {
  return definition;
}
