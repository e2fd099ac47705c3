/**
 * Where the asking verbs get their answers: the running gateway, or, where none runs, the ledger itself, read-only. Both
 * answer from the same rows in the same shapes, so a verb does not know which it asked.
 */

import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

import { ApiError, type DispatchesQuery, type Filters, type UsageQuery, WeighbridgeClient } from '@weighbridge/client';
import type {
  DispatchDetail,
  DispatchRecord,
  List,
  Reconciliation,
  UsageAnswer,
  UsageGroup,
} from '@weighbridge/protocol';
import type { Command } from 'commander';
import { isLoopbackHost } from '../config/listener.ts';
import { loadConfig } from '../config/load.ts';
import { databaseName, type GatewayConfig } from '../domain/config.ts';
import { GatewayError } from '../domain/errors.ts';
import type { DispatchFilters } from '../ledger/questions.ts';
import type { Store } from '../store/store.ts';
import { refuseOtherSchema } from './ledger-database.ts';
import { readRunning } from './running.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';

export interface SourceUsageQuery extends Omit<UsageQuery, 'from' | 'to'> {
  fromMs: number;
  toMs: number;
  groupBy: readonly UsageGroup[];
}

export type SourceReconcileQuery = Pick<SourceUsageQuery, 'fromMs' | 'toMs' | 'groupBy' | keyof Filters>;

export interface Source {
  /** For people: who answers. */
  readonly name: string;
  /** The models known by configuration, as `provider/model`. */
  models(): Promise<string[]>;
  usage(query: SourceUsageQuery): Promise<UsageAnswer>;
  dispatches(query: DispatchesQuery & { limit: number }): Promise<List<DispatchRecord>>;
  /** Our cost beside what the providers said. */
  reconcile(query: SourceReconcileQuery): Promise<Reconciliation>;
  /** Null when there is no such dispatch. */
  dispatch(id: string): Promise<DispatchDetail | null>;
  /** Ticks when something after `afterSeq` may have changed, with its `seq` where that is known, until `signal` aborts. */
  changes(afterSeq: number, signal: AbortSignal): AsyncIterable<number | null>;
  close(): Promise<void>;
}

export interface SourceFlags {
  config?: string;
  stateDir?: string;
  url?: string;
  token?: string;
}

const PROBE_TIMEOUT_MS = 2_000;
const POLL_MS = 1_000;

/** The options that say whom to ask, the same on every asking verb. */
export function withSourceOptions(command: Command): Command {
  return command
    .option('--url <url>', 'ask the gateway at this address')
    .option('--token <token>', 'with this token; WEIGHBRIDGE_TOKEN is better')
    .option('--config <file>', 'config file of the local gateway')
    .option('--state-dir <folder>', 'state directory of the local gateway')
    .option('--json', 'the answer as JSON, for programs');
}

/** Opens a source, hands it to the question, and closes it whatever comes. */
export async function withSource<Answer>(
  flags: SourceFlags,
  surroundings: Surroundings,
  question: (source: Source) => Promise<Answer>,
): Promise<Answer> {
  const source = await openSource(flags, surroundings);
  try {
    return await question(source);
  } catch (error) {
    throw failureOf(error, source.name);
  } finally {
    await source.close();
  }
}

/** For what only a gateway knows; null where none runs. */
export async function withGateway<Answer>(
  flags: SourceFlags,
  surroundings: Surroundings,
  question: (gateway: WeighbridgeClient) => Promise<Answer>,
): Promise<Answer | null> {
  const found = await findGateway(flags, surroundings);
  if (!(found instanceof WeighbridgeClient)) return null;
  try {
    return await question(found);
  } catch (error) {
    throw failureOf(error, nameOf(found));
  }
}

/** Ticks for answers of which no event tells, until `signal` aborts. */
export async function* ticks(signal: AbortSignal): AsyncGenerator<null> {
  while (!signal.aborted) {
    await setTimeout(POLL_MS, null, { signal }).catch(() => {});
    if (!signal.aborted) yield null;
  }
}

async function openSource(flags: SourceFlags, surroundings: Surroundings): Promise<Source> {
  const found = await findGateway(flags, surroundings);
  return found instanceof WeighbridgeClient ? sourceOfGateway(found) : sourceOfLedger(found);
}

/** The gateway that is named or runs here, else the configuration of the one that does not. */
async function findGateway(
  flags: SourceFlags,
  { variables }: Surroundings,
): Promise<WeighbridgeClient | GatewayConfig> {
  const { url, token, ...files } = flags;
  if (url !== undefined) {
    const given = token ?? variables.WEIGHBRIDGE_TOKEN ?? variables.OPENCLAW_GATEWAY_TOKEN;
    return new WeighbridgeClient({ url: checkedUrl(url), token: given ?? (await localToken(url, files, variables)) });
  }
  const { config, secrets } = await loadConfig({ flags: files, variables });
  const running = readRunning(config.stateDir);
  if (running !== null && (await answers(running.url))) {
    const held = secrets.token ?? secrets.password;
    return new WeighbridgeClient({ url: running.url, token: token ?? held?.reveal() ?? null });
  }
  return config;
}

function nameOf({ url }: WeighbridgeClient): string {
  return `the gateway at ${url}`;
}

function checkedUrl(url: string): string {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return url;
  throw new Failure(`--url must be an address like http://127.0.0.1:18760, not "${url}".`, 2);
}

/** The token of this machine's own gateway goes to addresses of this machine only. */
async function localToken(
  url: string,
  flags: Omit<SourceFlags, 'url' | 'token'>,
  variables: Surroundings['variables'],
): Promise<string | null> {
  if (!isLoopbackHost(URL.parse(url)?.hostname ?? '')) return null;
  const { secrets } = await loadConfig({ flags, variables });
  return (secrets.token ?? secrets.password)?.reveal() ?? null;
}

async function answers(url: string): Promise<boolean> {
  try {
    await new WeighbridgeClient({ url, token: null, timeoutMs: PROBE_TIMEOUT_MS }).ready();
    return true;
  } catch {
    return false;
  }
}

function sourceOfGateway(client: WeighbridgeClient): Source {
  return {
    name: nameOf(client),
    models: async () => {
      // The list may be switched off; what was used is known all the same.
      const { data } = await orNull(client.models()).then((list) => list ?? { data: [] });
      return data.filter(({ owned_by }) => owned_by !== 'openclaw').map(({ id }) => id);
    },
    usage: ({ fromMs, toMs, ...query }) => client.usage({ ...query, from: fromMs, to: toMs }),
    reconcile: ({ fromMs, toMs, ...query }) => client.reconciliation({ ...query, from: fromMs, to: toMs }),
    dispatches: (query) => client.dispatches(query),
    dispatch: (id) => orNull(client.dispatch(id)),
    changes: async function* (afterSeq, signal) {
      for await (const { seq } of client.events({ afterSeq, signal })) yield seq;
    },
    close: async () => {},
  };
}

async function sourceOfLedger(config: GatewayConfig): Promise<Source> {
  const { database } = config;
  if (database.kind === 'sqlite' && !existsSync(database.file)) {
    throw new Failure(`nothing is recorded yet: there is no ledger at ${database.file}; \`serve\` makes one.`);
  }
  const name = databaseName(database);
  const [{ openReadOnlyStore }, { findDispatch, listDispatches }, { usageAnswer }] = await Promise.all([
    import('../store/open.ts'),
    import('../ledger/questions.ts'),
    import('../ledger/usage-answer.ts'),
  ]);
  const store: Store = await openReadOnlyStore(database).catch((error: unknown) => {
    throw failureOf(error, `the ledger at ${name}`);
  });
  try {
    await refuseOtherSchema(store, name);
  } catch (error) {
    await store.close();
    throw failureOf(error, `the ledger at ${name}`);
  }
  return {
    name: `the ledger at ${name} (no gateway runs)`,
    models: async () =>
      [...config.providers.values()].flatMap(({ id, models }) => models.map((model) => `${id}/${model.id}`)),
    usage: ({ fromMs, toMs, groupBy, bucket, tz, latency, limit, ...filters }) =>
      usageAnswer(store, {
        tenantId: filters.tenant ?? null,
        fromMs,
        toMs,
        groupBy,
        ...given({ bucket, tz, latency, limit }),
        filters: ledgerFilters(filters),
      }),
    reconcile: async ({ fromMs, toMs, groupBy, ...filters }) => {
      const { reconcile } = await import('../ledger/reconcile.ts');
      return reconcile(store, {
        tenantId: filters.tenant ?? null,
        fromMs,
        toMs,
        groupBy,
        filters: ledgerFilters(filters),
      });
    },
    dispatches: ({ limit, cursor = null, ...filters }) =>
      listDispatches(store, { tenantId: filters.tenant ?? null, limit, cursor, filters: ledgerFilters(filters) }),
    dispatch: (id) => findDispatch(store, null, id),
    changes: (_afterSeq, signal) => ticks(signal),
    close: () => store.close(),
  };
}

function ledgerFilters({ agent, session, endUser, run, tenant: _, ...same }: Filters): DispatchFilters {
  return given({ ...same, agentId: agent, sessionKey: session, endUserId: endUser, runId: run });
}

/** Without what was left out: to the ledger an absent filter and an undefined one are not the same. */
function given<Named extends object>(named: Named): { [Name in keyof Named]?: NonNullable<Named[Name]> } {
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as never;
}

async function orNull<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** What went wrong, in words for whoever typed the command; a bug stays a bug. */
function failureOf(error: unknown, name: string): unknown {
  if (error instanceof ApiError && error.status === 401) {
    return new Failure(`${name} does not accept this token; give the right one with --token or WEIGHBRIDGE_TOKEN.`);
  }
  if (error instanceof ApiError || error instanceof GatewayError) return new Failure(`${name} says: ${error.message}`);
  if (!(error instanceof Error)) return error;
  if (error.name === 'StoreUnavailable') return new Failure(error.message);
  if (error.name === 'TimeoutError') return new Failure(`${name} did not answer in time.`);
  if (error instanceof TypeError && error.message === 'fetch failed') return new Failure(`${name} cannot be reached.`);
  return error;
}

/** A verb that only a running gateway can answer: asks it, prints what `question` makes of the answer, and ends well. */
export function gatewayVerb(
  surroundings: Surroundings,
  finish: (exitCode: number) => void,
  nobody: string,
): (flags: SourceFlags, question: (gateway: WeighbridgeClient) => Promise<string>) => Promise<void> {
  return async (flags, question) => {
    const answer = await withGateway(flags, surroundings, question);
    if (answer === null) throw new Failure(nobody);
    surroundings.stdout(answer);
    finish(EXIT.ok);
  };
}
