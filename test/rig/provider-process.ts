/** The scripted provider in its own process: it lives on when gateways die, and its work does not slow the test. */
import { join } from 'node:path';
import { Child } from './child.ts';

export interface ProviderProcess {
  baseUrl: string;
  journalFile: string;
  end(): Promise<void>;
}

export async function startProviderProcess(journalFile: string): Promise<ProviderProcess> {
  const child = new Child({
    args: [join(import.meta.dirname, 'scripted-provider.ts'), journalFile],
    ready: /provider listening on (\S+)/,
  });
  const baseUrl = await child.ready;
  return {
    baseUrl,
    journalFile,
    end: async () => {
      await child.end();
    },
  };
}
