/**
 * Builds the page (`packages/dashboard`) with what `npm ci` has installed, without a network; npm runs it as `prepare`.
 * An installation without development dependencies has no builder: it is told so, and the gateway runs without its page.
 */
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../packages/dashboard');

const vite = await import('vite').catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  return null;
});
if (vite === null) {
  console.error(
    'the page at /models is not built: its builder is a development dependency (npm ci without --omit=dev)',
  );
} else {
  await vite.build({
    configFile: join(folder, 'vite.config.ts'),
    logLevel: process.env.npm_config_loglevel === 'verbose' ? 'info' : 'warn',
  });
}
