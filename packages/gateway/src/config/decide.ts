/**
 * From what was read (flags, environment, file) to what the program runs on. Pure: the same input gives the same
 * config, and everything that is wrong is thrown at once as a ConfigError. Files and secrets on disk are secrets.ts.
 */

import { join } from 'node:path';
import type { AuthMode, Database, GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import { Secret } from '../lib/secret.ts';
import { decideAgents } from './agents.ts';
import type { Environment } from './environment.ts';
import type { Findings } from './findings.ts';
import { ConfigError, noFindings, report } from './findings.ts';
import { checkAllowList } from './headers.ts';
import { type SettingInForce, settingsInForce } from './in-force.ts';
import type { ConfigFile, Flags } from './inputs.ts';
import { isLoopbackHost, isOwnListener } from './listener.ts';
import { OPTIONS } from './options.ts';
import { decidePlugins } from './plugins.ts';
import { decideProviders } from './providers.ts';
import { checkShape } from './shape.ts';
import type { FileTree } from './tree.ts';
import { setting } from './tree.ts';
import { decideWebhooks } from './webhooks.ts';

export interface DecideInput {
  flags: Flags;
  environment: Environment;
  /** null: the built-in configuration. */
  file: ConfigFile | null;
  stateDir: string;
  /** This machine's own addresses, for the check that no provider is ourselves. */
  localAddresses: readonly string[];
}

/** A secret and where it came from. */
export interface GivenSecret {
  secret: Secret;
  from: string;
}

export interface Decision {
  config: GatewayConfig;
  given: { token: GivenSecret | null; password: GivenSecret | null };
  /** Every option, its value and where it came from. */
  settings: readonly SettingInForce[];
}

export function decide(input: DecideInput): Decision {
  const findings = noFindings();
  const tree = input.file === null ? null : checkShape(input.file.content, input.environment.variables, findings);
  const host = decideHost(tree, input.flags, findings);
  const port = decidePort(tree, input, findings);
  const given = decideGiven(tree, input, findings);
  const mode = decideAuthMode(tree, given, host, findings);
  const database = decideDatabase(input, findings);
  const providers = decideProviders(tree, input.environment, findings);
  refuseOurselves(providers, host, port, input, findings);
  const outboundHeaders = decideOutboundHeaders(tree, providers, findings);
  const agents = decideAgents(tree, providers, findings);
  const webhooks = decideWebhooks(tree, findings);
  if (findings.problems.length > 0) throw new ConfigError(findings.problems, input.file?.path ?? null);
  const endpoints = decideEndpoints(tree);
  const config: GatewayConfig = {
    host,
    port,
    allowedOrigins: decideOrigins(tree, findings),
    stateDir: input.stateDir,
    database,
    auth: {
      mode,
      rateLimit: {
        maxAttempts: setting(tree, 'gateway.auth.rateLimit.maxAttempts'),
        windowMs: setting(tree, 'gateway.auth.rateLimit.windowMs'),
        lockoutMs: setting(tree, 'gateway.auth.rateLimit.lockoutMs'),
        sourcesMax: setting(tree, 'limits.authSourcesMax'),
      },
    },
    endpoints,
    outboundHeaders,
    providers,
    agents,
    ledger: {
      durability: setting(tree, 'ledger.durability') ?? 'power',
      instanceLeaseMs: setting(tree, 'ledger.instanceLeaseMs'),
      clockAheadMaxMs: setting(tree, 'ledger.clockAheadMaxMs'),
      holdMs: setting(tree, 'ledger.holdMs'),
    },
    metering: {
      onCallerGone: setting(tree, 'metering.onCallerGone') ?? 'drain',
      drain: {
        timeoutMs: setting(tree, 'metering.drain.timeoutMs'),
        tokensMax: setting(tree, 'metering.drain.tokensMax'),
        concurrentMax: setting(tree, 'metering.drain.concurrentMax'),
      },
    },
    limits: decideLimits(tree, database),
    plugins: decidePlugins(tree, input.file),
    events: { runs: setting(tree, 'events.runs') ?? 'wanted' },
    webhooks,
    sessions: decideSessions(tree),
    warnings: [...findings.warnings, ...generalWarnings(tree, endpoints, findings)],
  };
  return { config, given, settings: settingsInForce({ ...input, tree }) };
}

function decideDatabase({ environment, stateDir }: DecideInput, findings: Findings): Database {
  const given = environment.databaseUrl;
  if (given === null) return { kind: 'sqlite', file: join(stateDir, 'weighbridge.sqlite') };
  const parsed = URL.parse(given.value.reveal());
  const isPostgres = parsed !== null && /^postgres(ql)?:$/.test(parsed.protocol);
  // The address holds a password: what is wrong with it is said without it.
  if (!isPostgres || parsed.pathname.length < 2) {
    report(
      findings,
      given.variable,
      'is not the address of a PostgreSQL database.',
      'Write postgres://USER:PASSWORD@HOST:PORT/DATABASE, or unset it to keep the ledger in a file.',
    );
  }
  return { kind: 'postgres', url: given.value };
}

function decideHost(tree: FileTree | null, flags: Flags, findings: Findings): string {
  if (flags.host !== undefined && flags.bind !== undefined)
    report(findings, '--bind', 'cannot be given with --host.', 'Give one of them.');
  if (flags.host !== undefined) return checkHost(flags.host, '--host', findings);
  if (flags.bind !== undefined) return boundHost(flags.bind, '--bind', null, findings);
  const ofFile = tree?.gateway?.host ?? tree?.gateway?.customBindHost ?? null;
  if (tree?.gateway?.host !== undefined) return checkHost(tree.gateway.host, 'gateway.host', findings);
  return boundHost(setting(tree, 'gateway.bind') ?? 'loopback', 'gateway.bind', ofFile, findings);
}

function boundHost(bind: string, path: string, custom: string | null, findings: Findings): string {
  if (bind === 'loopback' || bind === 'auto') return '127.0.0.1';
  if (bind === 'lan') return '0.0.0.0';
  if (bind === 'custom' && custom !== null) return checkHost(custom, 'gateway.customBindHost', findings);
  // `--bind ADDRESS` is what people write.
  if (path === '--bind' && bind !== 'custom' && bind !== 'tailnet') return checkHost(bind, path, findings);
  report(findings, path, `"${bind}" does not say which address.`, 'Give it with --host ADDRESS or `gateway.host`.');
  return '127.0.0.1';
}

function checkHost(host: string, path: string, findings: Findings): string {
  const plain = host.trim().replace(/^\[|\]$/g, '');
  if (/^[A-Za-z0-9.:%_-]+$/.test(plain)) return plain;
  report(findings, path, 'is not an address or a host name.', 'The port goes into --port.');
  return '127.0.0.1';
}

function decidePort(tree: FileTree | null, { flags, environment }: DecideInput, findings: Findings): number {
  const { environment: variable, flag, min, max } = OPTIONS['gateway.port'];
  const given = flags.port !== undefined ? { value: flags.port, variable: flag ?? '--port' } : environment.port;
  if (given === null) return setting(tree, 'gateway.port');
  const port = Number(given.value);
  if (/^\d{1,5}$/.test(given.value) && port >= min && port <= max) return port;
  report(findings, given.variable ?? variable, `must be a whole number from ${min} to ${max}.`);
  return 0;
}

function decideGiven(
  tree: FileTree | null,
  { flags, environment }: DecideInput,
  findings: Findings,
): Decision['given'] {
  const auth = tree?.gateway?.auth;
  const token = pick([
    [flags.token, '--token'],
    [environment.token?.value.reveal(), environment.token?.variable],
    [auth?.token, 'gateway.auth.token'],
  ]);
  const password = pick([
    [environment.password?.value.reveal(), environment.password?.variable],
    [auth?.password, 'gateway.auth.password'],
  ]);
  for (const given of [token, password]) {
    if (given === null || /^[\x21-\x7e]+$/.test(given.secret.reveal())) continue;
    report(findings, given.from, 'has characters that cannot travel in a header.', 'Only visible ASCII, no spaces.');
  }
  return { token, password };
}

function pick(sources: readonly (readonly [string | undefined, string | undefined])[]): GivenSecret | null {
  for (const [value, from] of sources)
    if (value !== undefined && from !== undefined) return { secret: new Secret(value), from };
  return null;
}

function decideAuthMode(tree: FileTree | null, given: Decision['given'], host: string, findings: Findings): AuthMode {
  const onlyPassword = given.password !== null && given.token === null;
  const mode = setting(tree, 'gateway.auth.mode') ?? (onlyPassword ? 'password' : 'token');
  if (setting(tree, 'gateway.auth.mode') === null && given.password !== null && given.token !== null) {
    findings.warnings.push(
      'a token and a password are given: the token is used; gateway.auth.mode says which is meant',
    );
  }
  if (mode === 'none' && !isLoopbackHost(host)) {
    report(
      findings,
      'gateway.auth.mode',
      `"none" is refused while listening on ${host}.`,
      'Use "token", or listen on 127.0.0.1.',
    );
  }
  if (mode === 'password' && given.password === null) {
    report(findings, 'gateway.auth.password', 'is missing.', 'Set WEIGHBRIDGE_PASSWORD, or use `mode: "token"`.');
  }
  return mode;
}

function refuseOurselves(
  providers: ReadonlyMap<string, Provider>,
  host: string,
  port: number,
  { environment, localAddresses }: DecideInput,
  findings: Findings,
): void {
  for (const { id, kind, baseUrl } of providers.values()) {
    if (kind === 'demo' || !isOwnListener(new URL(baseUrl).origin, host, port, localAddresses)) continue;
    const path = environment.vendors.get(id)?.baseUrl?.variable ?? `models.providers.${id}.baseUrl`;
    report(
      findings,
      path,
      'is this gateway’s own address: each call would start another.',
      'Give the provider’s own address.',
    );
  }
}

function decideOutboundHeaders(
  tree: FileTree | null,
  providers: ReadonlyMap<string, Provider>,
  findings: Findings,
): GatewayConfig['outboundHeaders'] {
  const path = 'gateway.outboundHeaders.allow';
  const allow = checkAllowList(setting(tree, path), path, findings);
  const own = [...providers.values()].flatMap(({ outboundAllow }) => outboundAllow ?? []);
  return { allow, settable: [...new Set([...allow, ...own])] };
}

/** What is no origin names nobody: said, and left out. OpenClaw's `*` would let every page of the world in. */
function decideOrigins(tree: FileTree | null, { warnings }: Findings): readonly string[] {
  const path = 'gateway.controlUi.allowedOrigins';
  return setting(tree, path).flatMap((given) => {
    const origin = URL.parse(given)?.origin ?? 'null';
    if (/^https?:/.test(origin) && `${origin}/` === URL.parse(given)?.href) return [origin.toLowerCase()];
    warnings.push(`${path}: ${JSON.stringify(given)} is not an origin like https://meter.example.com; it is left out`);
    return [];
  });
}

function decideEndpoints(tree: FileTree | null): GatewayConfig['endpoints'] {
  return {
    chatCompletions: setting(tree, 'gateway.http.endpoints.chatCompletions.enabled'),
    responses: setting(tree, 'gateway.http.endpoints.responses.enabled'),
    messages: setting(tree, 'gateway.http.endpoints.messages.enabled'),
    proxy: setting(tree, 'gateway.http.endpoints.proxy.enabled'),
  };
}

function decideLimits(tree: FileTree | null, database: Database): GatewayConfig['limits'] {
  const ledgerWaitMaxMs = setting(tree, 'limits.ledgerWaitMaxMs');
  // Calls that wait for a server to come back must not be refused for waiting.
  const holdMs = database.kind === 'postgres' && ledgerWaitMaxMs > 0 ? setting(tree, 'ledger.holdMs') : 0;
  return {
    bodyBytesMax: setting(tree, 'limits.bodyBytesMax'),
    headTimeoutMs: setting(tree, 'limits.headTimeoutMs'),
    unreadTimeoutMs: setting(tree, 'limits.unreadTimeoutMs'),
    requestTimeoutMs: setting(tree, 'limits.requestTimeoutMs'),
    jsonDepthMax: setting(tree, 'limits.jsonDepthMax'),
    eventBytesMax: setting(tree, 'limits.eventBytesMax'),
    answerBytesMax: setting(tree, 'limits.answerBytesMax'),
    runsMax: setting(tree, 'limits.runsMax'),
    eventLoopLagMaxMs: setting(tree, 'limits.eventLoopLagMaxMs'),
    ledgerWaitMaxMs: Math.max(ledgerWaitMaxMs, holdMs),
    diskFreeBytesMin: setting(tree, 'limits.diskFreeBytesMin'),
    retriesMax: setting(tree, 'limits.retriesMax'),
    upstreamConnectionsMax: setting(tree, 'limits.upstreamConnectionsMax'),
    upstreamWaitMs: setting(tree, 'limits.upstreamWaitMs'),
    shutdownDrainMs: setting(tree, 'limits.shutdownDrainMs'),
    tagsMax: setting(tree, 'limits.tagsMax'),
    metadataBytesMax: setting(tree, 'limits.metadataBytesMax'),
    turnsMax: setting(tree, 'limits.turnsMax'),
    laneTurnsMax: setting(tree, 'limits.laneTurnsMax'),
    turnTimeoutMs: setting(tree, 'limits.turnTimeoutMs'),
    sessionsKnownMax: setting(tree, 'limits.sessionsKnownMax'),
    idempotencyKeepMs: setting(tree, 'limits.idempotencyKeepMs'),
    idempotencyKeysMax: setting(tree, 'limits.idempotencyKeysMax'),
    idempotencyAnswerBytesMax: setting(tree, 'limits.idempotencyAnswerBytesMax'),
    idempotencyBytesMax: setting(tree, 'limits.idempotencyBytesMax'),
    feedsMax: setting(tree, 'limits.feedsMax'),
    ingestRecordsMax: setting(tree, 'limits.ingestRecordsMax'),
    ingestBytesMax: setting(tree, 'limits.ingestBytesMax'),
    metricSeriesMax: setting(tree, 'limits.metricSeriesMax'),
    keysMax: setting(tree, 'limits.keysMax'),
    webhooksMax: setting(tree, 'limits.webhooksMax'),
    webhooksPerTenantMax: setting(tree, 'limits.webhooksPerTenantMax'),
    socketsMax: setting(tree, 'limits.socketsMax'),
    handshakesMax: setting(tree, 'limits.handshakesMax'),
    handshakeTimeoutMs: setting(tree, 'limits.handshakeTimeoutMs'),
    handshakeBytesMax: setting(tree, 'limits.handshakeBytesMax'),
    frameBytesMax: setting(tree, 'limits.frameBytesMax'),
    socketUnsentBytesMax: setting(tree, 'limits.socketUnsentBytesMax'),
    socketUnsentMaxMs: setting(tree, 'limits.socketUnsentMaxMs'),
    socketRequestsMax: setting(tree, 'limits.socketRequestsMax'),
    socketRequestsPerSecondMax: setting(tree, 'limits.socketRequestsPerSecondMax'),
    tickIntervalMs: setting(tree, 'limits.tickIntervalMs'),
    deltaIntervalMs: setting(tree, 'limits.deltaIntervalMs'),
    logLinesMax: setting(tree, 'limits.logLinesMax'),
  };
}

function decideSessions(tree: FileTree | null): GatewayConfig['sessions'] {
  return {
    transcriptDays: setting(tree, 'sessions.transcriptDays'),
    httpTurns: setting(tree, 'sessions.httpTurns'),
    messageBytesMax: setting(tree, 'sessions.messageBytesMax'),
    contextMessagesMax: setting(tree, 'sessions.contextMessagesMax'),
    contextBytesMax: setting(tree, 'sessions.contextBytesMax'),
    appendsMax: setting(tree, 'sessions.appendsMax'),
  };
}

function generalWarnings(tree: FileTree | null, endpoints: GatewayConfig['endpoints'], findings: Findings): string[] {
  const warnings: string[] = [];
  for (const [name, on] of Object.entries(endpoints)) {
    if (!on) warnings.push(`the ${name} endpoint is off; gateway.http.endpoints.${name}.enabled: true turns it on`);
  }
  if (setting(tree, 'gateway.auth.rateLimit.exemptLoopback')) {
    warnings.push('gateway.auth.rateLimit.exemptLoopback: loopback is not exempt here');
  }
  if (findings.unusedKeys.length > 0) {
    // One line for a list whose every element has the same foreign key.
    const keys = new Set(findings.unusedKeys.map((key) => key.replace(/\[\d+\]/g, '[]')));
    warnings.push(`not used by Weighbridge: ${[...keys].sort().join(', ')}`);
  }
  return warnings;
}
