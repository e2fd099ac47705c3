/**
 * Everything that somebody might try to have sent as a header, generated: names of each dangerous kind in every spelling,
 * values that would end a header and begin another, shapes that are no headers, sizes. Each is JSON text as it travels,
 * because duplicates and odd escapes would not survive being parsed first. Whoever adds a rule adds its names here.
 */

/** In every value: wherever it appears but in the request that brought it, something has leaked. */
export const CANARY = 'c4n4ry-value';

export interface Attack {
  title: string;
  /** ASCII. */
  json: string;
}

const NAMES: Readonly<Record<string, string>> = {
  credentials: `authorization proxy-authorization proxy-authenticate www-authenticate cookie cookie2 set-cookie set-cookie2
    x-api-key api-key x-goog-api-key x-litellm-api-key x-auth-token x-access-token x-team-secret x-team-password
    x-team-signature x-custom-auth x-amz-security-token x-amz-date cf-access-client-secret x-pass-authorization
    x-auth-request-user x-remote-user x-apikey apikey x-user-jwt x-team-credentials`,
  host: `host x-host x-http-host-override x-forwarded-host x-forwarded-for x-forwarded-proto x-forwarded forwarded via
    x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip fastly-client-ip`,
  routing: `x-original-url x-rewrite-url x-http-method x-http-method-override x-method-override x-envoy-original-path
    x-gateway-route x-proxy-url`,
  framing: 'content-length content-type content-encoding content-md5 transfer-encoding expect trailer te',
  connection: 'connection keep-alive proxy-connection upgrade',
  request: `accept accept-encoding accept-language range if-match if-none-match if-modified-since user-agent origin referer
    date sec-fetch-site access-control-request-method x-stainless-lang`,
  billing: `openai-organization openai-project anthropic-version anthropic-beta x-goog-user-project x-portkey-custom-host
    x-portkey-api-key helicone-auth cf-aig-authorization`,
  ours: `x-weighbridge-key x-weighbridge-hop x-weighbridge-end-user-id x-weighbridge-outbound-headers x-openclaw-session-key
    x-openclaw-model x-client-request-id x-request-id x-session-affinity idempotency-key x-idempotency-key traceparent
    tracestate baggage`,
  'in no allow list': 'team tenant litellm-tags toString hasOwnProperty valueOf',
};

const SHAPES = [
  '',
  ' ',
  'x a',
  'x:a',
  ':authority',
  ':path',
  'x_a',
  'x-api_key',
  'x-a ',
  ' x-a',
  'x-a\t',
  '-x',
  'x-',
  'x-a:',
  'x-\u00e9',
  'x-\u212aelvin',
  'x-\uff41',
  'x-\ud800',
  'x-\u{1f600}',
  'x-a\r\nauthorization',
  'x-a\n',
  'x-a\r',
  'x-a\0',
  'x-a\x7f',
  '__proto__',
  'constructor',
  'prototype',
  `x-${'a'.repeat(63)}`,
];

const VALUES: Readonly<Record<string, unknown>> = {
  'CR LF and a header behind it': `${CANARY}\r\nauthorization: Bearer ${CANARY}`,
  'CR LF CR LF and a request behind it': `${CANARY}\r\n\r\nGET /${CANARY} HTTP/1.1\r\nhost: x\r\n\r\n`,
  'a bare LF': `${CANARY}\nx-b: ${CANARY}`,
  'a bare CR': `${CANARY}\rx-b: ${CANARY}`,
  'a folded line': `${CANARY}\r\n ${CANARY}`,
  NUL: `${CANARY}\0`,
  DEL: `${CANARY}\x7f`,
  'a tab inside': `${CANARY}\t${CANARY}`,
  'a vertical tab': `${CANARY}\v`,
  'Latin-1': `${CANARY}\u00e9`,
  'characters whose low byte is LF': `${CANARY}\u010a\u010d`,
  'half of a surrogate pair': `${CANARY}\ud800`,
  emoji: `${CANARY}\u{1f600}`,
  nothing: '',
  'only blanks': ' \t ',
  'too long': CANARY.padEnd(1025, 'v'),
  'a number': 7,
  true: true,
  'a list': [CANARY],
  'an object': { toString: CANARY },
};

/** Always the same, in the same order. */
export function attacks(): Attack[] {
  return [...forbiddenNames(), ...shapes(), ...values(), ...bodies()];
}

/** What nobody could set, as if it had got into a session all the same: every name, and good names with every value. */
export function smuggled(): Record<string, string> {
  const names = Object.values(NAMES).flatMap((words) => words.split(/\s+/).flatMap(spellings));
  const texts = Object.values(VALUES).filter((value) => typeof value === 'string');
  return Object.fromEntries([
    ...[...names, ...SHAPES].map((name) => [name, CANARY]),
    ...texts.map((value, at) => [`x-value-${at}`, value]),
  ]) as Record<string, string>;
}

function forbiddenNames(): Attack[] {
  return Object.entries(NAMES).flatMap(([kind, names]) =>
    names
      .split(/\s+/)
      .flatMap(spellings)
      .map((name) => ({ title: `${kind}: ${JSON.stringify(name)}`, json: ascii({ [name]: CANARY }) })),
  );
}

function spellings(name: string): string[] {
  const all = [name, name.toUpperCase(), titled(name), name.replaceAll('-', '_'), `${name} `, `\t${name}`];
  return [...new Set(all)];
}

function shapes(): Attack[] {
  return SHAPES.flatMap((name) => [
    { title: `the name ${JSON.stringify(name)}`, json: `{${ascii(name)}:${ascii(CANARY)}}` },
    {
      title: `the name ${JSON.stringify(name)} beside a good one`,
      json: `{"x-ok":"1",${ascii(name)}:${ascii(CANARY)}}`,
    },
  ]);
}

function values(): Attack[] {
  return Object.entries(VALUES).map(([title, value]) => ({
    title: `a value: ${title}`,
    json: ascii({ 'x-a': value }),
  }));
}

function bodies(): Attack[] {
  const of = (count: number, value: string) =>
    ascii(Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-h${n}`, value])));
  const twice = (one: string, other: string) => `{${ascii(one)}:"1",${ascii(other)}:${ascii(CANARY)}}`;
  return [
    { title: 'the same name twice', json: twice('x-a', 'x-a') },
    { title: 'the same name in two cases', json: twice('x-a', 'X-A') },
    { title: 'the same name, escaped', json: `{"x-a":"1","\\u0078-a":${ascii(CANARY)}}` },
    { title: 'set and taken away', json: '{"x-a":"1","X-A":null}' },
    { title: 'seventeen headers', json: of(17, CANARY) },
    { title: 'more than 8,192 bytes', json: of(9, CANARY.padEnd(1000, 'v')) },
    { title: 'a list', json: ascii([['x-a', CANARY]]) },
    { title: 'a text', json: ascii(`x-a: ${CANARY}`) },
    { title: 'a number', json: '7' },
    { title: 'true', json: 'true' },
    { title: 'nested deeply', json: `${'{"x-a":'.repeat(900)}1${'}'.repeat(900)}` },
  ];
}

function titled(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** JSON that may stand in a header. */
function ascii(value: unknown): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, escaped);
}
