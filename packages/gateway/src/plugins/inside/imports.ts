/**
 * What a plugin may import by name wherever its folder lies: its types' module, and the one function of OpenClaw's SDK that
 * nearly every plugin for it begins with. Everything else resolves as Node resolves it.
 */
import { registerHooks } from 'node:module';

const OWN: Readonly<Record<string, URL>> = {
  'weighbridge/plugin': new URL('../definition.ts', import.meta.url),
  'openclaw/plugin-sdk/plugin-entry': new URL('./openclaw-entry.ts', import.meta.url),
  'openclaw/plugin-sdk/core': new URL('./openclaw-entry.ts', import.meta.url),
  'openclaw/plugin-sdk': new URL('./openclaw-entry.ts', import.meta.url),
};

export function provideImports(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const own = Object.hasOwn(OWN, specifier) ? OWN[specifier] : undefined;
      return own === undefined ? next(specifier, context) : { url: own.href, shortCircuit: true };
    },
  });
}
