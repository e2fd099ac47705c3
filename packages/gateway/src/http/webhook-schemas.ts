/** What the routes of webhooks take and give, as JSON Schema; bodies are read and checked in webhooks/order.ts. */
import { answers, described, operatorToken, text } from './schemas.ts';

const common = { tags: ['webhooks'], security: operatorToken } as const;
const params = { type: 'object', properties: { id: text('The endpoint’s id.') } } as const;
const facts = answers(described('The endpoint’s facts: how it is set, where it stands, what failed last.'));

export const WEBHOOKS = {
  summary: 'Webhook endpoints and how each stands',
  ...common,
  response: answers(described('`{"object":"list","data":[endpoint],"hasMore","nextCursor"}`')),
} as const;

export const CREATE_WEBHOOK = {
  summary: 'Make a webhook endpoint',
  description:
    'A JSON object: `url` (public, https), and optionally `tenantId`, `events`, `filter`, `format`, `token`, `tokenHeader`, `timeoutMs`, `retry`, `concurrency`, `ordered`, `batch`. The answer is the only one that holds the secret.',
  ...common,
  response: answers(described('The endpoint’s facts, and `secret`: what signs its messages.')),
} as const;

export const WEBHOOK = { summary: 'One webhook endpoint', ...common, params, response: facts } as const;
export const REMOVE_WEBHOOK = {
  summary: 'Remove a webhook endpoint',
  description: 'With its place in the log and its failed deliveries. Those of the operator’s file are taken out there.',
  ...common,
  params,
  response: facts,
} as const;
export const ENABLE_WEBHOOK = {
  summary: 'Send to an endpoint again',
  description: 'It goes on where it stood.',
  ...common,
  params,
  response: facts,
} as const;
export const DISABLE_WEBHOOK = {
  summary: 'Send nothing to an endpoint until it is enabled',
  description: 'Its events wait in the log.',
  ...common,
  params,
  response: facts,
} as const;
export const TEST_WEBHOOK = {
  summary: 'Send one message now, and say what came of it',
  description: 'Of type `webhook.test`, with no usage and no cost; its event is in no log.',
  ...common,
  params,
  response: answers(described('`{"object":"webhook_test","delivered","status","failure","latencyMs"}`')),
} as const;
export const ROTATE_WEBHOOK = {
  summary: 'Give an endpoint a new secret',
  description: 'Optionally `{"overlapMs"}`: how long those before it go on signing (a day).',
  ...common,
  params,
  response: answers(described('The endpoint’s facts, and `secret`: the new one.')),
} as const;
export const REPLAY_WEBHOOK = {
  summary: 'Send to an endpoint again',
  description: 'One of `{"fromSeq"}`, `{"since"}` (ISO 8601 or milliseconds), `{"dead":true}`. Same events, same ids.',
  ...common,
  params,
  response: facts,
} as const;
export const DELIVERIES = {
  summary: 'Messages that failed so far',
  description: 'What was delivered at once is not among them, and what was delivered later no more.',
  ...common,
  params,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
      cursor: text('`nextCursor` of the page before.'),
      state: { type: 'string', enum: ['pending', 'dead'], description: 'Only these.' },
    },
  },
  response: answers(described('`{"object":"list","data":[delivery],"hasMore","nextCursor"}`')),
} as const;
