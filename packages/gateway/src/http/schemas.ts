/**
 * What each route takes and gives, as TypeBox schemas: queries are validated with them and `/openapi.json` is made of
 * them. Bodies of model calls are described for people but never validated here, because unknown fields must pass.
 */
import { ENTRY_SOURCES, OUTCOMES, USAGE_GROUPS } from '@weighbridge/protocol';
import Type from 'typebox';

const text = (description: string) => Type.Optional(Type.String({ description, maxLength: 512 }));

const ErrorBody = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      code: Type.Union([Type.String(), Type.Null()]),
      param: Type.Union([Type.String(), Type.Null()]),
    }),
  },
  { description: 'A refusal; docs/errors.md lists the codes.' },
);

const described = (description: string) => Type.Unknown({ description });
const refusals = { '4xx': ErrorBody, '5xx': ErrorBody };
const operatorToken = [{ bearer: [] }];

export const CHAT_COMPLETIONS = {
  summary: 'Chat completion, metered',
  description:
    'As OpenAI defines it. `model` is `<provider>/<model>` for a direct call, or `openclaw`, `openclaw/<agent>`, `openclaw:<agent>`, `agent:<agent>` for a configured agent. The answer is the provider’s, unchanged.',
  tags: ['models'],
  security: operatorToken,
  response: { 200: described('The provider’s answer: a chat completion, or with `stream: true` server-sent events.') },
} as const;

export const MODELS = {
  summary: 'What may be named as `model`',
  tags: ['models'],
  security: operatorToken,
  response: {
    200: described('`{"object":"list","data":[{"id","object":"model","created","owned_by","permission"}]}`'),
  },
} as const;

const FILTERS = {
  model: text('Exactly this model.'),
  provider: text('Exactly this provider.'),
  agent: text('Exactly this agent.'),
  session: text('Exactly this session key.'),
  endUser: text('Exactly this end user.'),
  source: Type.Optional(Type.Enum([...ENTRY_SOURCES], { description: 'Where the entry came from.' })),
};

export const DISPATCHES = {
  summary: 'Dispatches, newest first',
  tags: ['ledger'],
  security: operatorToken,
  querystring: Type.Object(
    {
      limit: Type.Integer({ minimum: 1, maximum: 1000, default: 50 }),
      cursor: text('`nextCursor` of the page before.'),
      ...FILTERS,
      outcome: Type.Optional(Type.Enum([...OUTCOMES, 'open'], { description: '`open` is in flight.' })),
      run: text('Exactly this run.'),
    },
    { additionalProperties: false },
  ),
  response: { 200: described('`{"object":"list","data":[dispatch],"hasMore","nextCursor"}`') },
} as const;

export const DISPATCH = {
  summary: 'One dispatch with its price lines, the usage as the provider sent it, and its corrections',
  tags: ['ledger'],
  security: operatorToken,
  params: Type.Object({ id: Type.String({ pattern: '^(dsp|ent)_[0-9A-Z]{26}$' }) }),
  response: { 200: described('The dispatch in full.') },
} as const;

export const USAGE = {
  summary: 'Sums of usage and cost over a period, by settlement time',
  tags: ['ledger'],
  security: operatorToken,
  querystring: Type.Object(
    {
      from: text('ISO 8601 or milliseconds since the epoch; rounded down to 15 minutes. Default: 24 hours ago.'),
      to: text('Likewise, rounded up. Default: now.'),
      groupBy: text(`Comma-separated list of ${USAGE_GROUPS.join(', ')}.`),
      ...FILTERS,
      outcome: Type.Optional(Type.Enum([...OUTCOMES])),
    },
    { additionalProperties: false },
  ),
  response: { 200: described('`{"object":"usage","from","to","groupBy","asOfSeq","rows","totals"}`') },
} as const;

export const EVENTS = {
  summary: 'The event log, live, as server-sent events',
  description: 'Resumes after the sequence number in `Last-Event-ID`, or in `after`. Without either it starts now.',
  tags: ['ledger'],
  security: operatorToken,
  querystring: Type.Object(
    { after: Type.Optional(Type.Integer({ minimum: 0 })), types: text('Comma-separated event types.') },
    { additionalProperties: false },
  ),
  response: { 200: described('`id: <seq>`, `event: <type>`, `data: <event>` for each event.') },
} as const;

export const RUNS = {
  summary: 'Runs in flight',
  tags: ['ledger'],
  security: operatorToken,
  response: { 200: described('`{"object":"list","data":[run],"hasMore":false,"nextCursor":null}`') },
} as const;

export const PROBE = { summary: 'Probe', tags: ['probes'], response: { 200: described('JSON') } } as const;

/** Gives every schema the refusals that any guarded route may answer with. */
export function withRefusals<S extends { response: Record<number, unknown> }>(schema: S): S {
  return { ...schema, response: { ...schema.response, ...refusals } };
}
