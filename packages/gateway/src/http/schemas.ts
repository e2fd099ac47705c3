/**
 * What each route takes and gives, as JSON Schema: queries are validated with it and `/openapi.json` is made of it. Bodies of model calls are described for people but never validated here, because unknown fields must pass.
 */
import { ENTRY_SOURCES, OUTCOMES, TIME_BUCKETS, USAGE_GROUPS } from '@weighbridge/protocol';
import { ROWS_DEFAULT, ROWS_MAX } from '../ledger/usage-question.ts';

export const text = (description: string) => ({ type: 'string', description, minLength: 1, maxLength: 512 }) as const;
const nullableText = { type: ['string', 'null'] } as const;

const ERROR_BODY = {
  type: 'object',
  description: 'A refusal; docs/errors.md lists the codes.',
  properties: {
    error: {
      type: 'object',
      properties: { message: { type: 'string' }, type: { type: 'string' }, code: nullableText, param: nullableText },
    },
  },
} as const;

export const described = (description: string) => ({ description });
/** A route's answer, and the refusals that any route may give instead. Nothing is serialised by these. */
export const answers = (success: { description: string }) => ({ '2xx': success, '4xx': ERROR_BODY, '5xx': ERROR_BODY });
export const operatorToken = [{ bearer: [] }];

export const CHAT_COMPLETIONS = {
  summary: 'Chat completion, metered',
  description:
    'As OpenAI defines it. `model` is `<provider>/<model>` for a direct call, or `openclaw`, `openclaw/<agent>`, `openclaw:<agent>`, `agent:<agent>` for a configured agent. The answer is the provider’s, unchanged.',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('The provider’s answer: a chat completion, or with `stream: true` server-sent events.')),
} as const;

export const EMBEDDINGS = {
  summary: 'Embeddings, metered',
  description: 'As OpenAI defines them; `model` as for chat completions.',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('The provider’s answer.')),
} as const;

export const RESPONSES = {
  summary: 'Response, metered',
  description:
    'As OpenAI defines it, for providers that speak `openai-responses`; `model` as for chat completions. The answer is the provider’s, unchanged.',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('The provider’s answer: a response, or with `stream: true` server-sent events.')),
} as const;

export const MESSAGES = {
  summary: 'Message, metered',
  description:
    'As Anthropic defines it, for providers that speak `anthropic-messages`; `model` as for chat completions. The answer is the provider’s, unchanged.',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('The provider’s answer: a message, or with `stream: true` server-sent events.')),
} as const;

export const COUNT_TOKENS = {
  summary: 'How many tokens a message would have',
  description: 'As Anthropic defines it. Not billed: its entry has no usage.',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('`{"input_tokens"}`, as the provider counts them.')),
} as const;

export const PROXY = {
  summary: 'Any request to a provider, passed through and metered',
  description:
    '`/proxy/{provider}/…` goes to the provider’s base URL; bytes pass as they are. Every request has an entry, also one whose answer says nothing of its cost (`usageSource: none`).',
  tags: ['models'],
  security: operatorToken,
  response: answers(described('The provider’s answer, unchanged.')),
} as const;

export const MODELS = {
  summary: 'What may be named as `model`',
  tags: ['models'],
  security: operatorToken,
  response: answers(
    described('`{"object":"list","data":[{"id","object":"model","created","owned_by","permission"}]}`'),
  ),
} as const;

const FILTERS = {
  tenant: text('Exactly this tenant. The operator sees all unless told; a key sees its own.'),
  model: text('Exactly this model.'),
  provider: text('Exactly this provider.'),
  agent: text('Exactly this agent.'),
  session: text('Exactly this session key.'),
  endUser: text('Exactly this end user.'),
  source: { type: 'string', enum: ENTRY_SOURCES, description: 'Where the entry came from.' },
};

export const DISPATCHES = {
  summary: 'Dispatches, newest first',
  tags: ['ledger'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
      cursor: text('`nextCursor` of the page before.'),
      before: text('Only dispatches that began before: ISO 8601 or milliseconds.'),
      ...FILTERS,
      outcome: { type: 'string', enum: [...OUTCOMES, 'open'], description: '`open` is in flight.' },
      run: text('Exactly this run.'),
    },
  },
  response: answers(described('`{"object":"list","data":[dispatch],"hasMore","nextCursor"}`')),
} as const;

export const DISPATCH = {
  summary:
    'One dispatch: units × rate = line, where each rate is from, the usage as the provider sent it, its corrections',
  tags: ['ledger'],
  security: operatorToken,
  params: { type: 'object', properties: { id: { type: 'string', pattern: '^(dsp|ent)_[0-9A-Z]{26}$' } } },
  response: answers(described('The dispatch in full.')),
} as const;

export const USAGE = {
  summary: 'Sums of usage and cost over a period, by settlement time',
  tags: ['ledger'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      from: text('ISO 8601 or milliseconds since the epoch; rounded down to 15 minutes. Default: 24 hours ago.'),
      to: text('Likewise, rounded up. Default: now.'),
      groupBy: text(`Comma-separated list of ${USAGE_GROUPS.join(', ')}.`),
      bucket: { type: 'string', enum: TIME_BUCKETS, description: 'One row for each bucket and group, by time.' },
      tz: text('IANA time zone whose hours, days and months the buckets are. Default: UTC.'),
      latency: {
        type: 'boolean',
        description: 'Percentiles too. Default: only where they come without single entries and without buckets.',
      },
      limit: {
        type: 'integer',
        minimum: 1,
        maximum: ROWS_MAX,
        default: ROWS_DEFAULT,
        description: 'Rows without a bucket, the costliest first; `rowsOmitted` counts the rest, the totals hold it.',
      },
      exclude: {
        type: 'array',
        items: text('What to leave out, e.g. `model:gpt-5`.'),
        maxItems: 32,
        description: 'What to leave out, e.g. `model:gpt-5`; may be given several times.',
      },
      ...FILTERS,
      outcome: { type: 'string', enum: OUTCOMES },
      run: text('Exactly this run.'),
    },
  },
  response: answers(
    described('`{"object":"usage","from","to","groupBy","bucket","tz","asOfSeq","rows","rowsOmitted","totals"}`'),
  ),
} as const;

export const RECONCILIATION = {
  summary: 'Our cost beside what providers said that calls cost',
  description: 'Only dispatches whose answer said it; ours is the entry with its corrections.',
  tags: ['ledger'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      from: text('Settled since; ISO 8601 or milliseconds since the epoch. Default: 24 hours ago.'),
      to: text('Settled before. Default: now.'),
      groupBy: text(`Comma-separated list of ${USAGE_GROUPS.join(', ')}.`),
      ...FILTERS,
      outcome: { type: 'string', enum: OUTCOMES },
      run: text('Exactly this run.'),
    },
  },
  response: answers(described('`{"object":"reconciliation","from","to","groupBy","rows","totals","furthest"}`')),
} as const;

export const EVENTS = {
  summary: 'The event log, live, as server-sent events',
  description: 'Resumes after the sequence number in `Last-Event-ID`, or in `after`. Without either it starts now.',
  tags: ['ledger'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      after: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      types: text('Comma-separated event types.'),
      ...FILTERS,
      outcome: { type: 'string', enum: OUTCOMES },
      run: text('Exactly this run.'),
    },
  },
  response: answers(described('`id: <seq>`, `event: <type>`, `data: <event>` for each event.')),
} as const;

export const RUNS = {
  summary: 'Runs in flight',
  tags: ['ledger'],
  security: operatorToken,
  response: answers(described('`{"object":"list","data":[run],"hasMore":false,"nextCursor":null}`')),
} as const;

export const STOP_RUN = {
  summary: 'Stop a run at once, without a drain',
  description: 'What passed is counted. Only runs of this very gateway can be stopped; one of another answers 404.',
  tags: ['ledger'],
  security: operatorToken,
  params: { type: 'object', properties: { id: { type: 'string', pattern: '^run_[0-9A-Z]{26}$' } } },
  response: answers(described('`{"object":"run","runId","stopped":true}`')),
} as const;

export const INGEST = {
  summary: 'Take in usage that others counted',
  description:
    'One record, an array, or one a line (`application/x-ndjson`); all of a request or none. AgentWatch’s six fields are enough: `model`, `prompt_tokens`, `completion_tokens`, `cost_usd`, `latency_ms`, `agent_name`; the others, in snake_case or camelCase, are in docs/http.md. `id` makes a record count once.',
  tags: ['ledger'],
  security: operatorToken,
  response: answers(described('`{"status":"ok","ingested","duplicates","ids":[…],"results":[…]}`')),
} as const;

export const METRICS = {
  summary: 'Metrics for Prometheus',
  description: 'Every name is in docs/metrics.md. The operator sees all tenants and the process, a key its own tenant.',
  tags: ['operating'],
  security: operatorToken,
  response: answers(described('Prometheus’ text format, version 0.0.4.')),
} as const;

export const REPRICE = {
  summary: 'Hold settled entries against the prices in force, and correct their cost',
  description:
    'One page; go on with `nextCursor`. Entries stay as they are: a difference is a correction, a new entry. Not for keys.',
  tags: ['prices'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    required: ['from'],
    properties: {
      from: text('Settled since; ISO 8601 or milliseconds since the epoch.'),
      to: text('Settled before. Default: to the end.'),
      tenant: text('Exactly this tenant.'),
      provider: text('Exactly this provider.'),
      model: text('Exactly this model, as it was asked for.'),
      unpriced: { type: 'boolean', description: 'Only what has no cost yet.' },
      dryRun: { type: 'boolean', description: 'Write nothing; the answer is the same.' },
      cursor: text('`nextCursor` of the page before.'),
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 500, description: 'Entries looked at.' },
    },
  },
  response: answers(described('`{"object":"reprice","dryRun","tenants":[…],"total","nextCursor","pricesHash"}`')),
} as const;

const KEY_ID = {
  type: 'object',
  properties: { id: { type: 'string', pattern: '^key_[0-9A-Z]{26}$' } },
} as const;

export const KEYS = {
  summary: 'Keys, newest first; the operator sees every tenant’s, a key those of its own',
  tags: ['keys'],
  security: operatorToken,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
      cursor: text('`nextCursor` of the page before.'),
    },
  },
  response: answers(described('`{"object":"list","data":[key],"hasMore","nextCursor"}`')),
} as const;

export const CREATE_KEY = {
  summary: 'Make a key',
  description:
    'A JSON object: `tenantId`, `scopes`, and optionally `name`, `agentId`, `expiresAt`, `headers`, `noOutboundHeaders`. The answer is the only one that holds the key itself. A key makes keys of its own tenant that can do no more than it can.',
  tags: ['keys'],
  security: operatorToken,
  response: answers(described('The key’s facts, and `key`: its text.')),
} as const;

export const REVOKE_KEY = {
  summary: 'Revoke a key',
  description: 'Refused by this gateway at once, and by every other on the database within a second.',
  tags: ['keys'],
  security: operatorToken,
  params: KEY_ID,
  response: answers(described('The key’s facts.')),
} as const;

export const SIGN_IN_LINK = {
  summary: 'A link that signs in to the page once, as whoever asks, within two minutes',
  tags: ['page'],
  security: operatorToken,
  response: answers(described('`{"object":"sign_in_link","url","expiresAt"}`')),
} as const;

export const RELOAD = {
  summary: 'Reads the configuration again',
  description: 'Calls in flight keep what they began with. What is refused (409) changes nothing.',
  tags: ['operation'],
  security: operatorToken,
  response: answers(described('`{"object":"reload","file","changed":[path],"needsRestart":[path],"warnings":[…]}`')),
} as const;

export const PROBE = { summary: 'Probe', tags: ['probes'], response: answers(described('JSON')) } as const;
