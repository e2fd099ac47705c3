/**
 * What the program runs on, decided once from file, environment and flags by the config room, immutable afterwards.
 * Secrets stand apart (`GatewaySecrets`), so that a config may be printed.
 */
import type { Secret } from '../lib/secret.ts';
import type { Agent } from './agent.ts';
import type { PluginSettings } from './plugin.ts';
import type { Provider } from './provider.ts';
import type { WebhookEndpoint } from './webhook.ts';

export type Durability = 'strict' | 'power' | 'process';
export type AuthMode = 'token' | 'password' | 'none';

/** Where the ledger is kept. A URL holds a password, so it is a secret. */
export type Database = { kind: 'sqlite'; file: string } | { kind: 'postgres'; url: Secret };

export interface GatewayConfig {
  host: string;
  port: number;
  /** Of pages besides our own that may ask, as browsers write them; a proxy before us has such a one. */
  allowedOrigins: readonly string[];
  stateDir: string;
  database: Database;
  auth: {
    mode: AuthMode;
    rateLimit: { maxAttempts: number; windowMs: number; lockoutMs: number; sourcesMax: number };
  };
  endpoints: { chatCompletions: boolean; responses: boolean; messages: boolean; proxy: boolean };
  outboundHeaders: {
    /** Which headers callers may have sent to a provider without a list of its own. */
    allow: readonly string[];
    /** Which may be set at all: that list and those of the providers. */
    settable: readonly string[];
  };
  /** By provider id; `demo` only while no other is configured. */
  providers: ReadonlyMap<string, Provider>;
  agents: { byId: ReadonlyMap<string, Agent>; defaultId: string | null };
  ledger: {
    durability: Durability;
    /** On a shared database: how long after its last sign of life a gateway is taken for dead. */
    instanceLeaseMs: number;
    /** How far this machine's clock may be ahead of a shared database's before it is not believed. */
    clockAheadMaxMs: number;
    /** How long calls wait for a database server that is away before they are refused. */
    holdMs: number;
  };
  metering: {
    onCallerGone: 'drain' | 'abort';
    drain: { timeoutMs: number; tokensMax: number; concurrentMax: number };
  };
  limits: {
    bodyBytesMax: number;
    /** A caller's time for the head of a request, and for all of it. */
    headTimeoutMs: number;
    /** Silence of a caller who has not yet taken the end of its answer. */
    unreadTimeoutMs: number;
    requestTimeoutMs: number;
    jsonDepthMax: number;
    /** One SSE event of an upstream, bytes. */
    eventBytesMax: number;
    /** A non-streamed answer of an upstream, bytes. */
    answerBytesMax: number;
    runsMax: number;
    /** Lateness of the event loop at which calls are shed; 0 is off. */
    eventLoopLagMaxMs: number;
    /** Wait of the ledger's oldest write at which calls are refused; 0 is off. */
    ledgerWaitMaxMs: number;
    /** Free bytes beside the database below which calls are refused. */
    diskFreeBytesMin: number;
    retriesMax: number;
    upstreamConnectionsMax: number;
    upstreamWaitMs: number;
    shutdownDrainMs: number;
    tagsMax: number;
    metadataBytesMax: number;
    /** Turns of sessions, running or waiting. */
    turnsMax: number;
    /** Those of one session that wait. */
    laneTurnsMax: number;
    turnTimeoutMs: number;
    /** Sessions in memory. */
    sessionsKnownMax: number;
    idempotencyKeepMs: number;
    idempotencyKeysMax: number;
    /** One answer, and all of them. */
    idempotencyAnswerBytesMax: number;
    idempotencyBytesMax: number;
    feedsMax: number;
    /** Keys in force at once. */
    ingestRecordsMax: number;
    ingestBytesMax: number;
    metricSeriesMax: number;
    keysMax: number;
    /** Webhook endpoints that are stored at once. */
    webhooksMax: number;
    webhooksPerTenantMax: number;
    /** WebSockets at once, and those of them that have not connected yet. */
    socketsMax: number;
    handshakesMax: number;
    handshakeTimeoutMs: number;
    /** One frame, before and after a WebSocket has connected. */
    handshakeBytesMax: number;
    frameBytesMax: number;
    /** What may wait for a reader that does not read, and how long. */
    socketUnsentBytesMax: number;
    socketUnsentMaxMs: number;
    /** Requests of one WebSocket, at once and in a second. */
    socketRequestsMax: number;
    socketRequestsPerSecondMax: number;
    tickIntervalMs: number;
    deltaIntervalMs: number;
    /** Lines of the log in memory. */
    logLinesMax: number;
  };
  plugins: PluginSettings;
  /** Whether `run.started` and `run.ended` are appended where nobody follows them. */
  events: { runs: 'wanted' | 'always' };
  /** Those of the file; others are stored. */
  webhooks: readonly WebhookEndpoint[];
  sessions: {
    transcriptDays: number;
    /** Keyed HTTP calls are appended to transcripts. */
    httpTurns: boolean;
    messageBytesMax: number;
    /** What of a transcript a turn sends. */
    contextMessagesMax: number;
    contextBytesMax: number;
    /** HTTP turns that wait to be appended. */
    appendsMax: number;
  };
  /** Said once at start: what is off, what was not understood. */
  warnings: readonly string[];
}

export interface GatewaySecrets {
  token: Secret | null;
  password: Secret | null;
}

/** For people: the file, or the server and its database without user and password. */
export function databaseName(database: Database): string {
  if (database.kind === 'sqlite') return database.file;
  const { host, pathname } = new URL(database.url.reveal());
  return `postgres://${host}${pathname}`;
}
