/** What the routes of sessions take and give, as JSON Schema; bodies are read and checked in sessions/changes.ts. */
import { answers, described, operatorToken, text } from './schemas.ts';

const common = { tags: ['sessions'], security: operatorToken } as const;
const params = { type: 'object', properties: { key: text('The session’s key.') } } as const;
const tenant = text('Whose session: for the operator, who is asked about `default` unless told.');
const limit = { type: 'integer', minimum: 1, maximum: 1000, default: 100 } as const;
const facts = answers(described('The session: what is set, its last run, its usage of the last run and of all.'));

export const SESSIONS = {
  summary: 'Sessions, the last changed first',
  ...common,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      limit,
      cursor: text('`nextCursor` of the page before.'),
      tenant: text('Exactly this tenant. The operator sees all unless told; a key sees its own.'),
      agent: text('Exactly this agent.'),
      search: text('Anywhere in the key or the label.'),
    },
  },
  response: answers(described('`{"object":"list","data":[session],"hasMore","nextCursor"}`')),
} as const;

const ofTenant = { type: 'object', additionalProperties: false, properties: { tenant } } as const;

export const SESSION = { summary: 'One session', ...common, params, querystring: ofTenant, response: facts } as const;

export const PATCH_SESSION = {
  summary: 'Change a session; one that is not there is made',
  description:
    'A JSON object of `label`, `overrides`, `outboundHeaders`; null clears. Runs admitted after the answer see it, those before never. Values of headers are not shown again.',
  ...common,
  params,
  querystring: ofTenant,
  response: facts,
} as const;

export const DELETE_SESSION = {
  summary: 'Delete a session and its transcript',
  description: '`transcriptOnly=true` keeps the session. Entries of the ledger stay in any case.',
  ...common,
  params,
  querystring: {
    ...ofTenant,
    properties: { tenant, transcriptOnly: { type: 'boolean', default: false } },
  },
  response: answers(described('`{"object":"session","sessionKey","deleted":"session"|"transcript"}`')),
} as const;

export const TRANSCRIPT = {
  summary: 'What was said in a session',
  description: 'The last messages, oldest first; `format=jsonl` gives all of them in OpenClaw’s lines.',
  ...common,
  params,
  querystring: {
    ...ofTenant,
    properties: {
      tenant,
      limit,
      before: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Smaller numbers only.' },
      format: { type: 'string', enum: ['json', 'jsonl'], default: 'json' },
    },
  },
  response: answers(described('`{"object":"list","data":[message],"hasMore","nextCursor"}`, or lines of JSON.')),
} as const;
