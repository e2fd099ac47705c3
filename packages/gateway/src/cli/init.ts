/**
 * `init`: writes `STATE_DIR/weighbridge.json5`, commented; `--from openclaw.json` takes over its models and agents. It never
 * overwrites, and never touches the file it reads.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readEnvironment } from '../config/environment.ts';
import { absolute, CONFIG_FILE_NAME, readJson5, stateDirOf } from '../config/file.ts';
import { isOwnListener, listenerUrl } from '../config/listener.ts';
import { OPTIONS } from '../config/options.ts';
import { makeStateDir } from '../config/secrets.ts';
import { keepKnown } from '../config/shape.ts';
import { configTemplate, type TakenOver } from '../config/template.ts';
import { isObject } from '../lib/json-object.ts';
import { type OpenclawLines, openclawLines } from './openclaw-lines.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

interface Flags {
  from?: string;
  stateDir?: string;
  json?: boolean;
}

interface Taken extends TakenOver {
  /** Null: there is no OpenClaw. */
  openclaw: OpenclawLines | null;
}

const NOTHING: Taken = { models: null, agents: null, openclaw: null };
const LOOPBACK = '127.0.0.1';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .option('--from <openclaw.json>', 'take over models and agents of an OpenClaw config')
    .option('--state-dir <folder>', 'where to write it')
    .option('--json', 'what was written as JSON, for programs')
    .action(async (flags: Flags) => {
      await init(flags, surroundings);
      finish(EXIT.ok);
    });
}

async function init(flags: Flags, { variables, stdout, stderr }: Surroundings): Promise<void> {
  const environment = readEnvironment(variables);
  const stateDir = stateDirOf({ stateDir: flags.stateDir }, environment);
  const file = join(stateDir, CONFIG_FILE_NAME);
  const ours = {
    port: Number(environment.port?.value ?? OPTIONS['gateway.port'].default),
    tokenCommand: `weighbridge token${flags.stateDir === undefined ? '' : ` --state-dir '${stateDir}'`}`,
  };
  const taken = flags.from === undefined ? NOTHING : await takeOver(absolute(flags.from), ours, stderr);
  makeStateDir(stateDir);
  try {
    // It may hold keys, so it is closed to others from the first byte.
    writeFileSync(file, configTemplate(taken), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new Failure(`${file} exists already, and nothing was changed; move it away first.`);
    throw new Failure(`${file} cannot be written (${code}).`);
  }
  const { openclaw } = taken;
  if (flags.json) stdout(`${JSON.stringify({ object: 'config', file, ...(openclaw && { openclaw }) })}\n`);
  else stdout(`${file}\n${openclaw === null ? '' : textOf(openclaw)}`);
  stderr('written; `doctor` checks it, `serve` uses it\n');
}

/** To be read, and run from: what is no command is a comment. */
function textOf({ there, back, remarks }: OpenclawLines): string {
  if (there.length === 0) return '';
  const lines = ['', '# OpenClaw through Weighbridge:', ...there, '', '# and back:', ...back];
  return `${[...lines, ...remarks.map((remark) => `# ${remark}`)].join('\n')}\n`;
}

async function takeOver(
  path: string,
  { port, tokenCommand }: { port: number; tokenCommand: string },
  stderr: Surroundings['stderr'],
): Promise<Taken> {
  const file = await readJson5(path, 'required', '--from');
  const { kept, dropped } = keepKnown(file?.content);
  const { default: JSON5 } = await import('json5');
  const written = (value: unknown) => (value === undefined ? null : JSON5.stringify(value, { space: 2, quote: '"' }));
  if (dropped.length > 0) stderr(`left out, not used here: ${dropped.join(', ')}\n`);
  if (kept.gateway !== undefined)
    stderr('left out: gateway; Weighbridge has its own port and token beside OpenClaw’s\n');
  const models = withoutOurselves(kept.models, port, stderr);
  // As the file has them: what is left out here is still there.
  const { models: all, agents } = isObject(file?.content) ? file.content : {};
  const providers = withoutOurselves(all, port, () => {});
  const openclaw = openclawLines(isObject(providers) ? providers.providers : null, agents, {
    url: listenerUrl(LOOPBACK, port),
    tokenCommand,
  });
  return { models: written(models), agents: written(kept.agents), openclaw };
}

/** An OpenClaw that already calls its models through Weighbridge has us as a provider; we must not become our own. */
function withoutOurselves(models: unknown, port: number, stderr: Surroundings['stderr']): unknown {
  if (!isObject(models) || !isObject(models.providers)) return models;
  const providers = Object.entries(models.providers).filter(([id, provider]) => {
    const baseUrl = isObject(provider) ? provider.baseUrl : null;
    const isUs = typeof baseUrl === 'string' && isOwnListener(baseUrl, LOOPBACK, port);
    if (isUs) stderr(`left out: models.providers.${id} is Weighbridge itself\n`);
    return !isUs;
  });
  return { ...models, providers: Object.fromEntries(providers) };
}
