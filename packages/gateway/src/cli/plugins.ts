/** `plugins`: how each stands, what it failed on, its events once more. Asks the running gateway: plugins run in it. */
import { ApiError } from '@weighbridge/client';
import type { PluginDetail, PluginInfo, PluginReplay } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { countText, timeText, UNKNOWN } from './format.ts';
import { gatewayVerb, type SourceFlags, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';

type Flags = SourceFlags & { json?: boolean };
type ReplayFlags = Flags & { from?: string; since?: string };

const NOBODY = 'no gateway runs here, and so no plugin; --url asks another. `doctor` says whether they can be loaded.';

const left = (title: string): Column => ({ title, align: 'left' });
const right = (title: string): Column => ({ title, align: 'right' });
const PLUGINS = [
  left('plugin'),
  left('status'),
  left('hooks'),
  right('delivered'),
  right('behind'),
  right('set aside'),
  right('faults'),
  right('restarts'),
  left('reason'),
];
const ASIDE = [right('seq'), left('event'), left('type'), right('failures'), left('set aside'), left('reason')];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const verb = (name: string, description: string): Command =>
    withSourceOptions(command.command(name).description(description));
  const run = gatewayVerb(surroundings, finish, NOBODY);
  verb('list', 'plugins and how each stands').action((flags: Flags) =>
    run(flags, async (gateway) => {
      const list = await gateway.plugins();
      return flags.json ? line(list) : listText(list.data);
    }),
  );
  verb('show <id>', 'one plugin, and the events that it failed on').action((id: string, flags: Flags) =>
    run(flags, async (gateway) => {
      const detail = await gateway.plugin(id).catch(notThere(id));
      return flags.json ? line(detail) : detailText(detail);
    }),
  );
  verb('replay <id>', 'deliver its events again: those set aside, unless told from where on')
    .option('--from <seq>', 'from this number of the log on')
    .option('--since <time>', 'from this time on: ISO 8601')
    .action((id: string, flags: ReplayFlags) =>
      run(flags, async (gateway) => {
        const replayed = await gateway.replayPlugin(id, replayOf(flags)).catch(notThere(id));
        if (flags.json) return line(replayed);
        if (replayed.fromSeq !== null) return `${id} gets everything from ${replayed.fromSeq} on again.\n`;
        return `${id} gets ${countText(replayed.setAside)} event(s) again that were set aside.\n`;
      }),
    );
}

function replayOf({ from, since }: ReplayFlags): PluginReplay {
  if (from !== undefined && since !== undefined) throw new Failure('Give --from or --since, not both.', EXIT.usage);
  if (from !== undefined) return { fromSeq: Number(from) };
  return since === undefined ? { setAside: true } : { since };
}

function listText(plugins: readonly PluginInfo[]): string {
  if (plugins.length === 0) return 'No plugin is configured; plugins.load.paths names their folders.\n';
  return renderTable(
    PLUGINS,
    plugins.map((one) => [
      one.id,
      one.status,
      one.hooks.join(', ') || UNKNOWN,
      countText(one.delivered),
      countText(one.behind),
      countText(one.setAside),
      countText(Object.values(one.faults).reduce((sum, count) => sum + count, 0)),
      countText(one.restarts),
      one.reason ?? '',
    ]),
  );
}

function detailText({ eventsAside, faults, path, intercept, openclaw, ...info }: PluginDetail): string {
  const counted = Object.entries(faults).map(([kind, count]) => `${kind} ${countText(count)}`);
  const decides = intercept === null ? 'no' : `within ${intercept.timeoutMs} ms, ${intercept.onFailure}`;
  const facts = [
    `folder   ${path}${openclaw ? ' (written for OpenClaw)' : ''}`,
    `faults   ${counted.join(', ')}`,
    `decides  ${decides}`,
  ];
  const aside = eventsAside.map(({ seq, eventId, type, failures, setAsideAt, reason, waiting }) => [
    String(seq),
    eventId,
    type,
    countText(failures),
    waiting ? 'is delivered again' : timeText(setAsideAt),
    reason,
  ]);
  const table = aside.length === 0 ? '' : `\n${renderTable(ASIDE, aside)}`;
  return `${listText([{ ...info, path, faults, intercept, openclaw }])}\n${facts.map(plainText).join('\n')}\n${table}`;
}

function line(answer: object): string {
  return `${JSON.stringify(answer)}\n`;
}

function notThere(id: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiError && error.status === 404)
      throw new Failure(`There is no plugin ${plainText(id)} here.`);
    throw error;
  };
}
