/**
 * THE table of options and limits: each path of the config file with its kind, default, unit, variable, flag and reason.
 * Defaults, validation (shape.ts), the list of known keys and docs/config.md (document.ts) are all derived from it, so
 * a limit that is not here does not exist. In a path `*` stands for any id and `[]` for the elements of a list.
 * It holds no code that decides anything.
 */

import type { Option } from './option.ts';
import {
  boolean,
  bytes,
  choice,
  count,
  DAY_MS,
  GIB,
  HOUR_MS,
  integer,
  ms,
  names,
  other,
  RESTART,
  rate,
} from './option.ts';

import { PLUGIN_LIMITS } from './plugin-limits.ts';
import { SESSION_OPTIONS } from './session-options.ts';
import { SOCKET_OPTIONS } from './socket-options.ts';
import { WEBHOOK_OPTIONS } from './webhook-options.ts';

export type { Option, Unit } from './option.ts';

/** The dialects by the names a config file may use; the second is OpenClaw's name for the first. */
export const API_NAMES = {
  'openai-completions': 'openai-completions',
  'openai-responses': 'openai-responses',
  'anthropic-messages': 'anthropic-messages',
  'google-generate': 'google-generate',
  'google-generative-ai': 'google-generate',
} as const;

/** OpenClaw's names of dialects that we do not speak: its file stays readable, such a provider is left out. */
export const FOREIGN_APIS: ReadonlySet<string> = new Set([
  'azure-openai-responses',
  'bedrock-converse-stream',
  'github-copilot',
  'ollama',
  'openai-codex-responses',
]);

export const OPTIONS = {
  'gateway.port': integer(18_760, [0, 65_535], 'Port of the one listener; 0 picks a free one.', {
    environment: 'WEIGHBRIDGE_PORT',
    flag: '--port',
    ...RESTART,
  }),
  'gateway.bind': choice(
    'loopback',
    ['loopback', 'lan', 'auto', 'custom', 'tailnet'],
    'Where to listen: `loopback` and `auto` are 127.0.0.1, `lan` is 0.0.0.0, `custom` needs `gateway.host`; `tailnet` is refused, give the address.',
    { flag: '--bind', ...RESTART },
  ),
  'gateway.host': other('text', 'Address to listen on; wins over `gateway.bind`.', {
    flag: '--host',
    ...RESTART,
  }),
  'gateway.customBindHost': other('text', 'OpenClaw’s name for the address of `bind: "custom"`.', RESTART),
  'gateway.controlUi.allowedOrigins': names(
    [],
    'Origins under which browsers reach this gateway besides its own address: `https://meter.example.com` for a proxy with TLS before it. They may sign in to the page and open WebSockets.',
  ),
  'gateway.auth.mode': choice(
    null,
    ['token', 'password', 'none'],
    'How callers prove themselves: `token` unless only a password is given; `none` is refused off loopback.',
    RESTART,
  ),
  'gateway.auth.token': other('secret', 'The callers’ token; without one, `STATE_DIR/token` is made at first start.', {
    environment: 'WEIGHBRIDGE_TOKEN',
    flag: '--token',
  }),
  'gateway.auth.password': other('secret', 'The callers’ password for `mode: "password"`.', {
    environment: 'WEIGHBRIDGE_PASSWORD',
  }),
  'gateway.auth.rateLimit.maxAttempts': count(10, 1_000_000, 'Failed sign-ins of one address in a window before 429.'),
  'gateway.auth.rateLimit.windowMs': ms(60_000, DAY_MS, 'Window in which failed sign-ins are counted.', 1),
  'gateway.auth.rateLimit.lockoutMs': ms(300_000, DAY_MS, 'How long an address stays refused after too many.', 1),
  'gateway.auth.rateLimit.exemptLoopback': boolean(false, 'Only `false`: loopback is never exempt here.'),
  'gateway.http.endpoints.chatCompletions.enabled': boolean(
    false,
    '`/v1/chat/completions`, `/v1/models` and `/v1/embeddings`; off in a file unless asked for, as in OpenClaw.',
    true,
    RESTART,
  ),
  'gateway.http.endpoints.responses.enabled': boolean(
    false,
    '`/v1/responses`; off in a file unless asked for, as in OpenClaw.',
    true,
    RESTART,
  ),
  'gateway.http.endpoints.messages.enabled': boolean(true, '`/v1/messages`.', true, RESTART),
  'gateway.http.endpoints.proxy.enabled': boolean(true, 'The byte-exact pass-through under `/proxy/`.', true, RESTART),
  'gateway.outboundHeaders.allow': names(
    ['x-*'],
    'Which headers callers may have sent to providers: names, or beginnings that end in `-*`. Credentials, framing and routing are never among them ([headers.md](headers.md)).',
  ),

  'gateway.usageWebhookUrl': other(
    'secret',
    'Gets each `model.usage` event in the `gateway-usage` format: https, or this machine (`http://127.0.0.1:…`). `webhooks` can say more.',
  ),

  'models.mode': choice(
    'merge',
    ['merge', 'replace'],
    '`merge` adds the known vendors whose key is in the environment; `replace` uses only what the file names.',
  ),
  'models.providers.*.baseUrl': other('text', 'Where the provider’s API begins; a known vendor’s may be left out.'),
  'models.providers.*.api': other('text', 'The dialect it speaks; a known vendor’s may be left out.'),
  'models.providers.*.apiKey': other('secret', `Its credential; write "\${NAME}" to take it from the environment.`),
  'models.providers.*.credential': choice(
    'provider',
    ['provider', 'caller'],
    'Whose credential goes to the provider on `/proxy`: its own `apiKey`, or the caller’s, who then shows ours as `x-weighbridge-key`.',
  ),
  'models.providers.*.pricedAs': other(
    'text',
    'The known vendor whose published prices hold for it, or `none`; the vendor at its address or of its name unless told.',
  ),
  'models.providers.*.headers': other(
    'texts',
    'Static headers for every request to it, the lowest in the merge order.',
  ),
  'models.providers.*.contextHeaders': other(
    'texts',
    'Headers made for each request to it: names to texts in which `{sessionKey}`, `{endUserId}` and others stand for what is known of the dispatch ([headers.md](headers.md)).',
  ),
  'models.providers.*.kind': choice(
    null,
    ['litellm'],
    'What stands at its address: a `litellm` proxy is sent the call’s id, session, end user, tags and metadata under the names that it reads.',
  ),
  'models.providers.*.outboundHeaders.allow': names(
    null,
    'The same for this provider alone, instead of the gateway’s list. Only with it does it get callers’ headers when it is a fallback.',
  ),
  'models.providers.*.request.headers': other('texts', 'The same under OpenClaw’s other name; wins over `headers`.'),
  'models.providers.*.timeoutSeconds': integer(
    null,
    [1, 86_400],
    'Longest whole request; the first-byte and idle limits are raised to it where they are shorter.',
    { unit: 's' },
  ),
  'models.providers.*.models[].id': other('text', 'The model’s name at the provider.'),
  'models.providers.*.models[].name': other('text', 'Its name for people.'),
  'models.providers.*.models[].contextWindow': integer(null, [1, 1e12], 'Tokens it can read, for people.', {
    unit: 'tokens',
  }),
  'models.providers.*.models[].maxTokens': integer(null, [1, 1e12], 'Tokens it can write, for people.', {
    unit: 'tokens',
  }),
  'models.providers.*.models[].cost.input': rate('Price of uncached prompt tokens.'),
  'models.providers.*.models[].cost.output': rate('Price of completion tokens, reasoning included.'),
  'models.providers.*.models[].cost.cacheRead': rate('Price of prompt tokens read from a cache; missing: `input`.'),
  'models.providers.*.models[].cost.cacheWrite': rate('Price of prompt tokens written to a cache; missing: `input`.'),
  'models.providers.*.models[].cost.cacheWrite1h': rate(
    'Price of prompt tokens written to a one-hour cache; missing: `cacheWrite`.',
  ),

  'agents.defaults.model': other(
    'model',
    'The model of agents that name none: `"provider/model"` or `{primary, fallbacks}`.',
  ),
  'agents.list[].id': other('text', 'The agent’s id, lower-cased.'),
  'agents.list[].name': other('text', 'Its name for people.'),
  'agents.list[].default': boolean(false, 'Whether `openclaw/default` means this agent; at most one.'),
  'agents.list[].model': other('model', 'Its model; a plain string has no fallbacks.'),
  'agents.list[].instructions': other('text', 'Put before the caller’s messages as a system message.'),
  'agents.entries.*.name': other('text', 'As in `agents.list`; the key is the id.'),
  'agents.entries.*.default': boolean(false, 'As in `agents.list`.'),
  'agents.entries.*.model': other('model', 'As in `agents.list`.'),
  'agents.entries.*.instructions': other('text', 'As in `agents.list`.'),

  'plugins.enabled': boolean(true, 'Whether any plugin is loaded.', true, RESTART),
  'plugins.load.paths[]': other(
    'text',
    'Folders, each one plugin whose `package.json` names its entry in `main`; relative to the config file.',
    RESTART,
  ),
  'plugins.entries.*.enabled': boolean(true, 'Whether the plugin of this id is loaded.', true, RESTART),
  'plugins.entries.*.config': other(
    'object',
    'What the plugin gets as its `config`, and all it gets of the configuration.',
    RESTART,
  ),
  'plugins.entries.*.intercept.timeoutMs': integer(
    null,
    [1, 60_000],
    'How long a call waits for its `beforeModelDispatch`; unless told, what the plugin says, else 500.',
    { unit: 'ms', ...RESTART },
  ),
  'plugins.entries.*.intercept.onFailure': choice(
    null,
    ['failOpen', 'failClosed'],
    'A call without a verdict (it threw, was late, does not run): `failOpen` lets it go on, `failClosed` refuses it with 503; unless told, what the plugin says, else `failOpen`.',
    RESTART,
  ),

  'events.runs': choice(
    'wanted',
    ['wanted', 'always'],
    'Whether `run.started` and `run.ended` are put into the event log for each call, or only while a plugin or a webhook follows them.',
  ),

  'ledger.durability': choice(
    'power',
    ['strict', 'power', 'process'],
    '`power`: an answered call survives power loss; `strict`: a call in flight does too; `process`: only a crash of the program is survived.',
    RESTART,
  ),

  'ledger.instanceLeaseMs': ms(
    15_000,
    HOUR_MS,
    'On PostgreSQL: how long after its last sign of life a gateway is taken for dead and its open calls are recorded as uncertain.',
    500,
    RESTART,
  ),
  'ledger.clockAheadMaxMs': ms(
    60_000,
    24 * HOUR_MS,
    'On PostgreSQL: how far a gateway’s clock may be ahead of the database’s; beyond, it dates entries by the database’s. Dates never go back, so one wrong clock would date every gateway’s entries.',
    0,
    RESTART,
  ),
  'ledger.holdMs': ms(
    5_000,
    HOUR_MS,
    'On PostgreSQL: how long calls wait for a server that is away (a restart, a fail-over) before they are refused with 503.',
    0,
    RESTART,
  ),

  'metering.onCallerGone': choice(
    'drain',
    ['drain', 'abort'],
    'When the caller hangs up: `drain` reads on to the provider’s count, within the limits below; `abort` stops at once and estimates. Drained tokens are paid by the tenant.',
  ),
  'metering.drain.timeoutMs': ms(5_000, HOUR_MS, 'Longest drain after a hang-up.'),
  'metering.drain.tokensMax': integer(500, [0, 1e9], 'Most tokens drained after a hang-up.', { unit: 'tokens' }),
  'metering.drain.concurrentMax': count(32, 10_000, 'Drains at once; a further hang-up is aborted at once.', 0),

  ...WEBHOOK_OPTIONS,
  'limits.bodyBytesMax': bytes(20_971_520, GIB, 'Longest request body; 413 beyond. OpenClaw’s figure.'),
  'limits.headTimeoutMs': ms(15_000, HOUR_MS, 'How long a caller may take to send a request’s head; 408 beyond.', 1),
  'limits.requestTimeoutMs': ms(
    60_000,
    HOUR_MS,
    'The same for a whole request with its body; 408 beyond. On `/proxy`, how long an upload may stand still.',
    1,
  ),
  'limits.unreadTimeoutMs': ms(
    60_000,
    HOUR_MS,
    'How long the end of an answer may lie here while the caller takes nothing of it; the connection is cut beyond.',
    1,
  ),
  'limits.jsonDepthMax': count(128, 10_000, 'Deepest nesting of a request’s JSON; 400 beyond.'),
  'limits.eventBytesMax': bytes(16_777_216, GIB, 'Longest SSE event of a provider; the dispatch fails beyond.'),
  'limits.answerBytesMax': bytes(
    67_108_864,
    GIB,
    'Longest answer of a provider that is not streamed, and longest text of a turn.',
  ),
  'limits.runsMax': count(1_024, 1_000_000, 'Runs in flight at once; 503 `overloaded` beyond.'),
  'limits.eventLoopLagMaxMs': ms(
    30,
    60_000,
    'How late the event loop may be in the mean before calls are shed with 503 `overloaded`, at the door and only as many as this machine cannot keep up with; a burst of a thousand calls gets in; 0 is off.',
  ),
  'limits.ledgerWaitMaxMs': ms(
    2_000,
    HOUR_MS,
    'How long the ledger’s oldest write may wait before new calls get 503 `overloaded`, until it is half; on PostgreSQL never less than `ledger.holdMs`; 0 is off.',
  ),
  'limits.diskFreeBytesMin': bytes(
    67_108_864,
    1024 * GIB,
    'Free bytes beside the SQLite file below which new calls get 503 `ledger_unavailable`, so that those in flight can still be recorded; 0 is off.',
    0,
  ),
  'limits.retriesMax': count(2, 10, 'Retries of one target after 429, 5xx or a reset, before any byte of answer.', 0),
  'limits.upstreamConnectionsMax': count(
    1_024,
    65_536,
    'Connections to one provider; not below `limits.runsMax`, or runs wait for one another.',
  ),
  'limits.upstreamWaitMs': ms(
    30_000,
    HOUR_MS,
    'Longest wait for a connection to a provider while all of them are busy; 503 `overloaded` beyond; 0 is off.',
  ),
  'limits.shutdownDrainMs': ms(30_000, HOUR_MS, 'How long a stop waits for runs in flight before it aborts them.'),
  'limits.authSourcesMax': count(10_000, 10_000_000, 'Addresses whose failed sign-ins are remembered.'),
  'limits.tagsMax': count(32, 1_000, 'Tags on one call; 400 beyond.', 0),
  'limits.metadataBytesMax': bytes(8_192, 1_048_576, 'Longest metadata of one call as JSON; 400 beyond.'),
  'limits.feedsMax': count(64, 100_000, 'Live event feeds at once; 503 beyond.', 0),
  'limits.ingestRecordsMax': count(
    1_000,
    100_000,
    'Records in one request to `/api/v1/ingest/model_usage`; 413 beyond.',
  ),
  'limits.ingestBytesMax': bytes(4_194_304, GIB, 'Longest body of such a request; 413 beyond.'),
  'limits.metricSeriesMax': count(
    500,
    100_000,
    'Combinations of provider, model and agent with metrics of their own; the rest are summed as `_other`.',
  ),
  'limits.keysMax': count(10_000, 100_000, 'Keys in force at once: each gateway has all of them in memory.', 0),
  ...SOCKET_OPTIONS,
  ...SESSION_OPTIONS,

  ...PLUGIN_LIMITS,

  'upstream.connectTimeoutMs': ms(10_000, HOUR_MS, 'Longest wait for a connection to a provider; 0 is off.'),
  'upstream.firstByteTimeoutMs': ms(600_000, DAY_MS, 'Longest wait for the first byte of an answer; 0 is off.'),
  'upstream.idleTimeoutMs': ms(300_000, DAY_MS, 'Longest silence inside an answer; 0 is off.'),
  'upstream.totalTimeoutMs': ms(0, DAY_MS, 'Longest whole request to a provider; 0 is off.'),
} as const satisfies Record<string, Option>;

export type OptionPath = keyof typeof OPTIONS;

/** Sections that are ours alone: an unknown key there is an error, elsewhere it may be OpenClaw's. */
export const OWN_SECTIONS: ReadonlySet<string> = new Set([
  'events',
  'ledger',
  'metering',
  'limits',
  'sessions',
  'upstream',
  'webhooks',
]);

type ValueOf<O> = O extends { kind: 'integer'; default: infer D }
  ? D extends null
    ? number | null
    : number
  : O extends { kind: 'boolean' }
    ? boolean
    : O extends { kind: 'choice'; of: readonly (infer C)[]; default: infer D }
      ? C | (null extends D ? null : never)
      : O extends { kind: 'names'; default: infer D }
        ? readonly string[] | (null extends D ? null : never)
        : string | null;

export type OptionValue<Path extends OptionPath> = ValueOf<(typeof OPTIONS)[Path]>;
