/**
 * `open`: asks the running gateway for a link that signs in to the page once. It prints the link and opens nothing: whoever
 * reads it may be on another machine.
 */
import type { Command } from 'commander';
import { type SourceFlags, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command).action(async ({ json, ...flags }: SourceFlags & { json?: boolean }) => {
    const link = await withGateway(flags, surroundings, (gateway) => gateway.createSignInLink());
    if (link === null) throw new Failure('no gateway runs here; start one, or say which with --url or --state-dir.');
    surroundings.stdout(`${json ? JSON.stringify(link) : link.url}\n`);
    if (!json) surroundings.stderr('The link signs in once, within two minutes.\n');
    finish(EXIT.ok);
  });
}
