/**
 * `runs`: what is in flight in the running gateway, and `runs stop ID`. Only a gateway knows its runs: where none runs,
 * nothing is in flight, and on a shared database each gateway is asked for its own.
 */
import { ApiError, type WeighbridgeClient } from '@weighbridge/client';
import type { RunInFlight } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { countText, timeText, UNKNOWN } from './format.ts';
import { type SourceFlags, ticks, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';
import { type Shown, watch } from './watching.ts';

type Flags = SourceFlags & { json?: boolean; watch?: boolean };

const ID = /^run_[0-9A-Z]{26}$/;
const NOBODY = 'no gateway runs here, so nothing is in flight; --url asks another';

const COLUMNS: readonly Column[] = [
  { title: 'started', align: 'left' },
  { title: 'run', align: 'left' },
  { title: 'model', align: 'left' },
  { title: 'agent', align: 'left' },
  { title: 'session', align: 'left' },
  { title: 'attempt', align: 'right' },
  { title: 'tokens', align: 'right' },
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  // The list's options stand before `stop`, its own after it: otherwise `stop ID --json` would be the list's.
  command.enablePositionalOptions();
  withSourceOptions(command)
    .option('--watch', 'stay, and show every change')
    .action(async (flags: Flags) => {
      await list(flags, surroundings);
      finish(EXIT.ok);
    });
  withSourceOptions(command.command('stop <id>').description('end one run at once, without a drain')).action(
    async (id: string, flags: Flags) => {
      await stop(id, flags, surroundings);
      finish(EXIT.ok);
    },
  );
}

async function list(flags: Flags, surroundings: Surroundings): Promise<void> {
  const { stdout, stderr } = surroundings;
  const json = flags.json === true;
  const listed = await withGateway(flags, surroundings, async (gateway) => {
    const answer = () => answerOf(gateway, json);
    // No event tells of a run that begins or of a token that passes, so the gateway is asked again.
    if (flags.watch) await watch({ changes: (_seq, signal) => ticks(signal) }, surroundings, { json, answer });
    else stdout((await answer()).text);
    return true;
  });
  if (listed !== null) return;
  if (flags.watch) throw new Failure(`${NOBODY}.`);
  stdout(runsAnswer([], json));
  stderr(`${NOBODY}\n`);
}

async function answerOf(gateway: WeighbridgeClient, json: boolean): Promise<Shown> {
  const { data } = await gateway.runs();
  return { text: runsAnswer(data, json), asOfSeq: 0 };
}

function runsAnswer(runs: readonly RunInFlight[], json: boolean): string {
  return json
    ? `${JSON.stringify({ object: 'list', data: runs, hasMore: false, nextCursor: null })}\n`
    : runsText(runs);
}

export function runsText(runs: readonly RunInFlight[]): string {
  const rows = runs.map((run) => [
    timeText(run.startedAt),
    run.runId,
    `${run.provider}/${run.model}`,
    run.agentId ?? UNKNOWN,
    run.sessionKey ?? UNKNOWN,
    countText(run.attempt),
    countText(run.tokens),
  ]);
  return renderTable(COLUMNS, rows);
}

async function stop(id: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  if (!ID.test(id)) throw new Failure(`"${plainText(id)}" is no id of a run; it is run_….`, EXIT.usage);
  const answer = await withGateway(flags, surroundings, (gateway) => gateway.stopRun(id).catch(notThere(gateway, id)));
  if (answer === null) throw new Failure(`${NOBODY}.`);
  surroundings.stdout(flags.json ? `${JSON.stringify(answer)}\n` : `${id} is stopped; what passed is counted.\n`);
}

function notThere({ url }: WeighbridgeClient, id: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    throw new Failure(`there is no run ${id} in flight at ${url}; it may have ended, or be another gateway’s.`);
  };
}
