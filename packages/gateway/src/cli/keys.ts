/**
 * `keys create|list|revoke`: who may call, and what. Asks the running gateway; where none runs, works on the ledger's
 * database itself. The key alone goes to stdout, so that it can stand in `$(…)`; it cannot be shown again.
 */
import { ApiError, type WeighbridgeClient } from '@weighbridge/client';
import type { CreatedKey, KeyInfo, KeyRequest, KeyScope } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { futureMs, timeText, UNKNOWN } from './format.ts';
import { createOnDatabase, listOnDatabase, revokeOnDatabase } from './keys-own.ts';
import { type SourceFlags, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';

type Flags = SourceFlags & { json?: boolean };
type CreateFlags = Flags & {
  tenant: string;
  scopes: string;
  agent?: string;
  expires?: string;
  header?: Record<string, string>;
  name?: string;
  /** Commander's spelling of `--no-outbound-headers`: false where it was given. */
  outboundHeaders?: boolean;
};

const ID = /^key_[0-9A-Z]{26}$/;
const PAGE = 1000;

const COLUMNS: readonly Column[] = [
  'key',
  'tenant',
  'name',
  'scopes',
  'agent',
  'headers',
  'state',
  'made',
  'expires',
].map((title) => ({ title, align: 'left' as const }));

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withSourceOptions(command.command('create').description('make a key, and show it once'))
    .requiredOption('--tenant <id>', 'who is billed for its calls')
    .option('--scopes <list>', 'some of dispatch, read, metrics, admin, with commas', 'dispatch')
    .option('--agent <id>', 'the only agent it may use; its calls are that agent’s')
    .option('--expires <time>', 'when it ends: ISO 8601, or from now (12h, 90d); never unless told')
    .option('--header <name=value>', 'force a header on each of its calls; may be repeated', addHeader)
    .option('--no-outbound-headers', 'its calls may set none themselves')
    .option('--name <text>', 'for people')
    .action(async (flags: CreateFlags) => {
      await create(flags, surroundings);
      finish(EXIT.ok);
    });
  withSourceOptions(command.command('list').description('all keys, newest first'))
    .option('--tenant <id>', 'only of this tenant')
    .action(async (flags: Flags & { tenant?: string }) => {
      await list(flags, surroundings);
      finish(EXIT.ok);
    });
  withSourceOptions(command.command('revoke <id>').description('end a key at once, everywhere')).action(
    async (id: string, flags: Flags) => {
      await revoke(id, flags, surroundings);
      finish(EXIT.ok);
    },
  );
}

function addHeader(given: string, headers: Record<string, string> = {}): Record<string, string> {
  const at = given.indexOf('=');
  // Its value may be meant to stay unseen, and this text ends on a screen.
  if (at < 1) throw new Failure('--header takes name=value.', EXIT.usage);
  const name = given.slice(0, at).trim().toLowerCase();
  if (Object.hasOwn(headers, name)) throw new Failure(`--header names ${plainText(name)} twice.`, EXIT.usage);
  return { ...headers, [name]: given.slice(at + 1) };
}

async function create(flags: CreateFlags, surroundings: Surroundings): Promise<void> {
  const request = requestOf(flags);
  const made: CreatedKey =
    (await withGateway(flags, surroundings, (gateway) => gateway.createKey(request))) ??
    (await createOnDatabase(request, flags, surroundings));
  if (flags.json) return surroundings.stdout(`${JSON.stringify(made)}\n`);
  const { keyId, tenantId, scopes, agentId } = made;
  const agent = agentId === null ? '' : `, agent ${agentId} only`;
  surroundings.stderr(`${keyId} for tenant ${tenantId} (${scopes.join(', ')}${agent}). It is shown this once:\n`);
  surroundings.stdout(`${made.key}\n`);
}

function requestOf({ tenant, scopes, agent, expires, header, name, outboundHeaders }: CreateFlags): KeyRequest {
  const expiresAt = expires === undefined ? undefined : futureMs(expires, Date.now());
  if (expiresAt === null) {
    throw new Failure(`--expires must be ISO 8601 or a time from now like 90d, not "${expires}".`, EXIT.usage);
  }
  return {
    tenantId: tenant,
    // What is no scope is refused where keys are made, with the list of them.
    scopes: scopes.split(',').map((scope) => scope.trim()) as KeyScope[],
    ...(header === undefined ? {} : { headers: header }),
    ...(outboundHeaders === false ? { noOutboundHeaders: true } : {}),
    ...(name === undefined ? {} : { name }),
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

async function list(flags: Flags & { tenant?: string }, surroundings: Surroundings): Promise<void> {
  const all = (await withGateway(flags, surroundings, everyPage)) ?? (await listOnDatabase(flags, surroundings));
  const data = all.filter(({ tenantId }) => flags.tenant === undefined || tenantId === flags.tenant);
  const answer = { object: 'list', data, hasMore: false, nextCursor: null };
  surroundings.stdout(flags.json ? `${JSON.stringify(answer)}\n` : renderTable(COLUMNS, data.map(rowOf)));
}

async function everyPage(gateway: WeighbridgeClient): Promise<KeyInfo[]> {
  const keys: KeyInfo[] = [];
  let cursor: string | undefined;
  do {
    const page = await gateway.keys({ limit: PAGE, cursor });
    keys.push(...page.data);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return keys;
}

function rowOf({ keyId, tenantId, name, scopes, agentId, headers, state, createdAt, expiresAt }: KeyInfo): string[] {
  return [
    keyId,
    tenantId,
    name === '' ? UNKNOWN : name,
    scopes.join(','),
    agentId ?? UNKNOWN,
    headers.length === 0 ? UNKNOWN : headers.join(','),
    state,
    timeText(createdAt),
    expiresAt === null ? 'never' : timeText(expiresAt),
  ];
}

async function revoke(id: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  if (!ID.test(id)) throw new Failure(`"${plainText(id)}" is no id of a key; it is key_….`, EXIT.usage);
  const revoked =
    (await withGateway(flags, surroundings, (gateway) => gateway.revokeKey(id).catch(notThere(id)))) ??
    (await revokeOnDatabase(id, flags, surroundings));
  if (revoked === null) notThere(id)(null);
  surroundings.stdout(flags.json ? `${JSON.stringify(revoked)}\n` : `${id} is revoked.\n`);
}

function notThere(id: string): (error: unknown) => never {
  return (error) => {
    if (error !== null && !(error instanceof ApiError && error.status === 404)) throw error;
    throw new Failure(`there is no key ${id}; \`keys list\` shows those there are.`);
  };
}
