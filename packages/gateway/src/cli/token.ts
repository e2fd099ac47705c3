/**
 * `token`: prints the callers' token, and nothing else, so that it can stand in `$(…)`. Makes it where it does not exist
 * yet.
 */
import type { Command } from 'commander';
import type { Flags } from '../config/inputs.ts';
import { loadConfig } from '../config/load.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--config <file>', 'config file')
    .option('--state-dir <folder>', 'where the token lies')
    .option('--json', 'the token and where it came from as JSON, for programs')
    .action(async ({ json, ...flags }: Flags & { json?: boolean }) => {
      const { config, secrets, token } = await loadConfig({
        flags,
        variables: surroundings.variables,
        createToken: true,
      });
      if (secrets.token === null) throw new Failure(`there is no token: gateway.auth.mode is "${config.auth.mode}".`);
      const answer = {
        object: 'token',
        token: secrets.token.reveal(),
        from: token?.from ?? null,
        created: token?.created ?? false,
      };
      surroundings.stdout(`${json ? JSON.stringify(answer) : answer.token}\n`);
      finish(EXIT.ok);
    });
}
