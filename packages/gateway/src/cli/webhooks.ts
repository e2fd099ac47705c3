/**
 * `webhooks`: endpoints and how each stands, made, switched, tried, sent to again. Asks the running gateway, because endpoints
 * and their couriers are its own. A secret alone goes to stdout, so that it can stand in `$(…)`; it cannot be shown again.
 */
import { ApiError, type WeighbridgeClient } from '@weighbridge/client';
import type { CreatedWebhook, WebhookInfo, WebhookRequest } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { gatewayVerb, type SourceFlags, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { plainText } from './table.ts';
import { defineListen } from './webhooks-listen.ts';
import { deliveriesText, endpointsText, testText } from './webhooks-text.ts';

type Flags = SourceFlags & { json?: boolean };
type AddFlags = Flags & {
  tenant?: string;
  events?: string;
  filter?: Record<string, string>;
  format?: string;
  tokenFrom?: string;
  tokenHeader?: string;
  ordered?: boolean;
  concurrency?: string;
  batch?: string;
};

const NOBODY = 'no gateway runs here; --url asks another. Endpoints of the file need none: they begin with it.';

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const verb = (name: string, description: string): Command =>
    withSourceOptions(command.command(name).description(description));
  const run = gatewayVerb(surroundings, finish, NOBODY);
  const ofOne = (
    name: string,
    description: string,
    answer: (gateway: WeighbridgeClient, id: string, flags: Flags) => Promise<string>,
  ) =>
    verb(`${name} <id>`, description).action((id: string, flags: Flags) =>
      run(flags, (gateway) => answer(gateway, id, flags).catch(notThere(id))),
    );

  verb('list', 'endpoints and how each stands').action((flags: Flags) =>
    run(flags, async (gateway) => {
      const list = await gateway.webhooks();
      return flags.json ? line(list) : endpointsText(list.data);
    }),
  );
  verb('add <url>', 'make an endpoint, and show its secret once')
    .option('--tenant <id>', 'whose events; every tenant’s unless told')
    .option('--events <list>', 'which events, with commas; model.usage unless told')
    .option('--filter <name=value>', 'only these; may be repeated', addPair)
    .option('--format <name>', 'event, gateway-usage, litellm or cloudevents')
    .option('--token-from <variable>', 'send the token that this environment variable holds')
    .option('--token-header <name>', 'in this header; as a bearer unless told')
    .option('--ordered', 'strictly in order, one at a time')
    .option('--concurrency <n>', 'attempts at once')
    .option('--batch <n>', 'up to so many events in one message')
    .action((url: string, flags: AddFlags) =>
      run(flags, async (gateway) =>
        secretText(await gateway.createWebhook(requestOf(url, flags, surroundings)), flags, surroundings),
      ),
    );
  ofOne('remove', 'remove an endpoint that was made here', async (gateway, id, flags) => {
    const removed = await gateway.removeWebhook(id);
    return flags.json ? line(removed) : `${id} is removed.\n`;
  });
  ofOne('enable', 'send to it again, from where it stood', async (gateway, id, flags) =>
    infoText(await gateway.enableWebhook(id), flags),
  );
  ofOne('disable', 'send it nothing until it is enabled', async (gateway, id, flags) =>
    infoText(await gateway.disableWebhook(id), flags),
  );
  ofOne('test', 'send one message now, and say what came of it', async (gateway, id, flags) => {
    const answer = await gateway.testWebhook(id);
    if (!answer.delivered && !flags.json) throw new Failure(testText(answer));
    return flags.json ? line(answer) : testText(answer);
  });
  ofOne('rotate', 'a new secret; the old one goes on signing for a day', async (gateway, id, flags) =>
    secretText(await gateway.rotateWebhook(id), flags, surroundings),
  );
  verb('deliveries <id>', 'messages that failed so far')
    .option('--dead', 'only those without an attempt left')
    .action((id: string, flags: Flags & { dead?: boolean }) =>
      run(flags, async (gateway) => {
        const query = { limit: 1000, ...(flags.dead ? { state: 'dead' as const } : {}) };
        const list = await gateway.webhookDeliveries(id, query).catch(notThere(id));
        return flags.json ? line(list) : deliveriesText(list);
      }),
    );
  verb('replay <id>', 'send the same events once more, under their own ids')
    .option('--from <seq>', 'from this number of the log on')
    .option('--since <time>', 'from this time on: ISO 8601')
    .option('--dead', 'those without an attempt left')
    .action((id: string, flags: Flags & { from?: string; since?: string; dead?: boolean }) =>
      run(flags, async (gateway) =>
        infoText(await gateway.replayWebhook(id, replayOf(flags)).catch(notThere(id)), flags),
      ),
    );
  defineListen(command, surroundings, finish);
}

function addPair(given: string, pairs: Record<string, string> = {}): Record<string, string> {
  const at = given.indexOf('=');
  if (at < 1) throw new Failure('--filter takes name=value.', EXIT.usage);
  return { ...pairs, [given.slice(0, at).trim()]: given.slice(at + 1) };
}

function requestOf(url: string, flags: AddFlags, { variables }: Surroundings): WebhookRequest {
  const { tenant, events, filter, format, tokenFrom, tokenHeader, ordered, concurrency, batch } = flags;
  const token = tokenFrom === undefined ? undefined : variables[tokenFrom];
  if (tokenFrom !== undefined && (token === undefined || token === '')) {
    throw new Failure(`--token-from: the environment variable ${plainText(tokenFrom)} is not set.`, EXIT.usage);
  }
  return {
    url,
    ...(tenant === undefined ? {} : { tenantId: tenant }),
    ...(events === undefined ? {} : { events: events.split(',').map((name) => name.trim()) }),
    ...(filter === undefined ? {} : { filter }),
    ...(format === undefined ? {} : { format }),
    ...(token === undefined ? {} : { token }),
    ...(tokenHeader === undefined ? {} : { tokenHeader }),
    ...(ordered === undefined ? {} : { ordered }),
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
    ...(batch === undefined ? {} : { batch: { max: Number(batch) } }),
  };
}

function replayOf({
  from,
  since,
  dead,
}: {
  from?: string;
  since?: string;
  dead?: boolean;
}): Parameters<WeighbridgeClient['replayWebhook']>[1] {
  if ([from, since, dead].filter((one) => one !== undefined).length !== 1) {
    throw new Failure('replay takes one of --from SEQ, --since TIME and --dead.', EXIT.usage);
  }
  if (dead) return { dead };
  return since === undefined ? { fromSeq: Number(from) } : { since };
}

function secretText({ secret, ...info }: CreatedWebhook, { json }: Flags, surroundings: Surroundings): string {
  if (json) return line({ ...info, secret });
  surroundings.stderr(`${info.id} signs with this secret, which is shown this once:\n`);
  return `${secret}\n`;
}

function infoText(info: WebhookInfo, { json }: Flags): string {
  return json ? line(info) : endpointsText([info]);
}

function line(answer: object): string {
  return `${JSON.stringify(answer)}\n`;
}

function notThere(id: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    throw new Failure(`there is no webhook ${plainText(id)}; \`webhooks list\` shows those there are.`);
  };
}
