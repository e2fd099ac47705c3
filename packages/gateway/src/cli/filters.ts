/** The options that narrow an answer down, the same on every verb that has them. */
import type { Filters } from '@weighbridge/client';
import { ENTRY_SOURCES } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { EXIT, Failure } from './surroundings.ts';

export interface FilterFlags {
  tenant?: string;
  model?: string;
  provider?: string;
  agent?: string;
  session?: string;
  endUser?: string;
  outcome?: string;
  source?: string;
  run?: string;
}

/** `outcomes`: the words that `--outcome` takes there. */
export function withFilterOptions(command: Command, outcomes: readonly string[]): Command {
  return command
    .option('--tenant <id>', 'only this tenant')
    .option('--model <model>', 'only this model')
    .option('--provider <provider>', 'only this provider')
    .option('--agent <agent>', 'only this agent')
    .option('--session <key>', 'only this session')
    .option('--end-user <id>', 'only this end user')
    .option('--outcome <outcome>', `only ${outcomes.join(', ')}`)
    .option('--source <source>', `only ${ENTRY_SOURCES.join(', ')}`)
    .option('--run <id>', 'only this run');
}

export function filtersOf(flags: FilterFlags, outcomes: readonly string[]): Filters {
  const { tenant, model, provider, agent, session, endUser, outcome, source, run } = flags;
  refuseUnknown('--outcome', outcome, outcomes);
  refuseUnknown('--source', source, ENTRY_SOURCES);
  return { tenant, model, provider, agent, session, endUser, outcome, source, run };
}

/** The gateway would refuse it too; said here it needs no gateway and names the option. */
export function refuseUnknown(option: string, value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return;
  throw new Failure(`${option} must be one of ${known.join(', ')}.`, EXIT.usage);
}
