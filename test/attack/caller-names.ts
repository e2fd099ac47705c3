/** What a caller may ask for that is not there or not its own: names, queries, paths, credentials. The framing is correct HTTP. */
import { pick } from '../rig/random.ts';
import { PASSES } from './caller-bodies.ts';
import { type Attack, chatBody, type Draw, type Expected, type Generator, get, post, sent, whole } from './case.ts';
import type { FromCaller } from './classes.ts';

const NO_NAMES = [
  'nobody/model',
  'hostile',
  '/',
  'hostile/',
  '/model',
  '',
  'openclaw/ghost',
  'agent:ghost',
  'x'.repeat(5000),
  '../../etc/passwd',
  '__proto__',
  'constructor/x',
  '\u0000',
];

function unknownNames(draw: Draw): Attack {
  if (draw.random() < 0.6)
    return sent(
      draw,
      JSON.stringify({ model: pick(draw.random, NO_NAMES), messages: [{ role: 'user', content: 'x' }] }),
    );
  const header = pick(draw.random, [
    'x-openclaw-session-key: subagent:x',
    `x-openclaw-session-key: ${'k'.repeat(300)}`,
    'x-openclaw-session-key: agent:main:cron:1',
    'x-weighbridge-agent-id: no such/agent',
    `x-weighbridge-agent-id: ${'a'.repeat(100)}`,
    `x-weighbridge-tags: ${Array.from({ length: 50 }, (_, place) => `t${place}`).join(',')}`,
    'x-weighbridge-metadata: [1]',
    'x-weighbridge-metadata: {"half',
    `x-weighbridge-metadata: {"a":"${'m'.repeat(600)}"}`,
    `x-weighbridge-end-user-id: ${'u'.repeat(300)}`,
  ]);
  return { steps: [post(draw, { body: chatBody(draw), headers: [header] })], answers: 1 };
}

/** NUL, halves of surrogate pairs: what no engine keeps. In JSON they are escapes, so that the body itself is in order. */
function unstorableNames(draw: Draw): Attack {
  const bad = pick(draw.random, ['\\u0000', 'a\\u0000b', '\\ud800', '\\udc00x', '\\ud800\\ud800']);
  const body = chatBody(draw);
  const edited =
    draw.random() < 0.5 ? body.replace(/}$/, `,"user":"${bad}"}`) : body.replace(draw.model, `${draw.model}${bad}`);
  return sent(draw, edited);
}

export const SQL = [
  "'; drop table entries; --",
  "' or '1'='1",
  '" or 1=1 --',
  "x' union select token from instances --",
  '%',
  '_',
  '\\',
  "''",
  '";',
  '/* */',
  ')',
  "'||(select 1)||'",
  '$1',
  '?1',
  ':a',
  '1e999',
  '-1',
  'null',
  'undefined',
  'NaN',
] as const;

function sqlNames(draw: Draw): Attack {
  const sql = (): string => pick(draw.random, SQL);
  const headers = [
    `x-weighbridge-session-key: ${sql()}`,
    `x-weighbridge-end-user-id: ${sql()}`,
    `x-weighbridge-tags: ${sql()}`,
    `x-weighbridge-metadata: ${JSON.stringify({ [sql()]: sql() })}`,
    `traceparent: ${sql()}`,
    `x-client-request-id: ${draw.model}`,
  ].filter((_, place) => place !== 5 && draw.random() < 0.7);
  return { steps: [post(draw, { body: chatBody(draw, { user: sql() }), headers })], answers: 1, expects: PASSES };
}

const QUERIES: Readonly<Record<string, readonly string[]>> = {
  '/api/v1/dispatches': [
    'limit',
    'cursor',
    'model',
    'provider',
    'agent',
    'session',
    'endUser',
    'source',
    'outcome',
    'run',
    'tenantId',
    'tenant',
  ],
  '/api/v1/usage': [
    'from',
    'to',
    'groupBy',
    'model',
    'provider',
    'agent',
    'session',
    'endUser',
    'source',
    'outcome',
    '__proto__',
  ],
  '/api/v1/runs': ['run', 'tenant'],
  '/v1/models': ['id', 'limit'],
  '/healthz': ['x'],
};
const NONSENSE = [
  ...SQL,
  '0',
  '1',
  '999999999999999999999',
  '1.5',
  '0x10',
  '[]',
  '{}',
  'a,b,c',
  ',',
  ' ',
  '\u0000',
  '\ud7ff',
  '😀',
  'x'.repeat(600),
  'x'.repeat(3000),
  '2026-99-99',
  '-271821-04-21',
  '275760-09-13T00:00:00Z',
  'model,model',
  '../..',
  '%',
];

function queries(draw: Draw): Attack {
  const { random } = draw;
  const path = pick(random, Object.keys(QUERIES));
  const pairs = Array.from({ length: whole(random, 1, 3) }, () => {
    const name = pick(random, QUERIES[path]!);
    const value = pick(random, NONSENSE);
    const written = random() < 0.9 ? encodeURIComponent(value) : value.replace(/[^\x21-\x7e]/g, '').slice(0, 200);
    return `${name}${pick(random, ['=', '=', '=', '[]=', ''])}${written}`;
  });
  return { steps: [get(draw, `${path}?${pairs.join('&')}`)], answers: 1 };
}

function cursors(draw: Draw): Attack {
  const value = pick(draw.random, NONSENSE);
  const inHeader = value.replace(/[^\x20-\x7e]/g, '').slice(0, 500);
  const forms = [
    get(draw, `/api/v1/events?after=${encodeURIComponent(value)}`),
    get(draw, `/api/v1/events?types=${encodeURIComponent(value)}`),
    get(draw, '/api/v1/events', [`last-event-id: ${inHeader}`]),
    get(draw, `/api/v1/dispatches/${encodeURIComponent(value)}`),
    get(draw, `/api/v1/dispatches/dsp_${'0'.repeat(26)}`),
    get(draw, `/api/v1/dispatches?cursor=${encodeURIComponent(Buffer.from(value).toString('base64url'))}`),
  ];
  // A feed has no end of its own: what it says is looked at for a while, then the caller goes.
  const at = Math.floor(draw.random() * forms.length);
  const feed: Partial<Attack> = { steps: [forms[at]!, { pauseMs: 100 }, 'reset'], answers: 0 };
  const plain: Partial<Attack> = { steps: [forms[at]!], answers: 1, expects: { statuses: [200, 400, 404, 414] } };
  return { steps: [], answers: 1, ...(at < 3 ? feed : plain) };
}

const METHODS = [
  'GET',
  'HEAD2',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
  'M-SEARCH',
  'QUERY',
  'PRI',
];
const PATHS = [
  '/',
  '/v1',
  '/v1/',
  '//v1//models',
  '/v1/chat/completions',
  '/v1/chat/completions/',
  '/V1/models',
  '/v1/models/..%2f..',
  '/../../etc/passwd',
  '/%00',
  '/%',
  '/%ff',
  '/v1/models/%c3%28',
  `/v1/models/${'m'.repeat(2_000)}`,
  '/api/v1/dispatches/%27',
  '/api/v1/dispatches/x%00y',
  '/healthz/../v1/models',
  '/openapi.json',
  '/v1/models?%',
  '*',
  '/\ufeff',
  '/v1/models;x=1',
  '/api/v1/runs/%2e%2e',
];

function paths(draw: Draw): Attack {
  const { random, token } = draw;
  const withToken = random() < 0.7 ? `authorization: Bearer ${token}\r\n` : '';
  const line = `${pick(random, METHODS)} ${encodeURI(pick(random, PATHS)).replace(/%25/g, '%')} HTTP/1.1\r\n`;
  const expects: Partial<Expected> = { statuses: [200, 400, 401, 404, 405, 414, 501] };
  return { steps: [`${line}host: 127.0.0.1\r\n${withToken}connection: close\r\n\r\n`], answers: 1, expects };
}

function credentials(draw: Draw): Attack {
  const { random, token } = draw;
  const wrong = pick(random, [
    `authorization: Bearer ${token}x`,
    `authorization: Bearer ${token.slice(0, -1)}`,
    `authorization: Basic ${token}`,
    'authorization:',
    'x-api-key: x',
    `cookie: token=${token}`,
    `authorization: Bearer  ${token} ${token}`,
    'authorization: Bearer null',
    `x-forwarded-for: 127.0.0.1\r\nx-real-ip: ::1`,
    `authorization: ${'B'.repeat(5000)}`,
  ]);
  const body = chatBody(draw);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n${wrong}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return { steps: [head, body], answers: 1 };
}

export const NAMES = {
  'unknown names': unknownNames,
  'names that no engine keeps': unstorableNames,
  'SQL in every name': sqlNames,
  'SQL and nonsense in every query': queries,
  'nonsense in cursors and event ids': cursors,
  'paths and methods that are none': paths,
  'wrong credentials': credentials,
} as const satisfies Partial<Record<FromCaller, Generator>>;
