/** `webhooks listen`: a receiver on this machine that prints what arrives and whether its signature holds. */
import { once } from 'node:events';
import { signingKey } from '@weighbridge/protocol/webhook';
import type { Command } from 'commander';
import { type HeardMessage, listenForWebhooks } from '../http/webhook-listener.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { plainText } from './table.ts';

interface ListenFlags {
  port: string;
  secret?: string;
  status: string;
  json?: boolean;
}

export function defineListen(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  command
    .command('listen')
    .description('receive on this machine, print and verify what arrives, until Ctrl-C')
    .option('--port <port>', '0 picks a free one', '0')
    .option('--secret <whsec>', 'verify with this; WEIGHBRIDGE_WEBHOOK_SECRET is better')
    .option('--status <code>', 'what to answer, to try failures', '204')
    .option('--json', 'a line of JSON for each message, for programs')
    .action(async (flags: ListenFlags) => {
      await listen(flags, surroundings);
      finish(EXIT.ok);
    });
}

async function listen(flags: ListenFlags, surroundings: Surroundings): Promise<void> {
  const secret = flags.secret ?? surroundings.variables.WEIGHBRIDGE_WEBHOOK_SECRET;
  if (secret !== undefined && signingKey(secret) === null) {
    throw new Failure('the secret must be whsec_ and 24 to 64 bytes in base64.', EXIT.usage);
  }
  const listener = await listenForWebhooks({
    port: numberOf(flags.port, '--port', 65_535),
    secrets: secret === undefined ? [] : [secret],
    status: numberOf(flags.status, '--status', 599),
    onMessage: (message) => surroundings.stdout(flags.json ? `${JSON.stringify(message)}\n` : textOf(message)),
  }).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot listen on port ${flags.port} (${error.code}).`);
  });
  surroundings.stderr(`listening on ${listener.url}; an endpoint of the file reaches it with allowPrivate: true\n`);
  const interrupted = new EventTarget();
  surroundings.onInterrupt(() => interrupted.dispatchEvent(new Event('interrupt')));
  await once(interrupted, 'interrupt');
  await listener.close();
}

function numberOf(text: string, flag: string, max: number): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= max) return Number(text);
  throw new Failure(`${flag} must be a whole number up to ${max}.`, EXIT.usage);
}

function textOf({ at, id, signature, body }: HeardMessage): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body, null, 2);
  return `${at}  ${plainText(id ?? 'no id')}  ${signature}\n${text.split('\n').map(plainText).join('\n')}\n\n`;
}
