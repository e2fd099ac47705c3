/** What a caller may do to the connection: framing, header lines, slowness, leaving. The bodies are correct calls. */
import { pick } from '../rig/random.ts';
import { BODIES, PASSES } from './caller-bodies.ts';
import { NAMES } from './caller-names.ts';
import { type Attack, chatBody, type Draw, type Generator, get, type Play, post, whole } from './case.ts';
import { type FromCaller, SIZES, UPSTREAM } from './classes.ts';
import { chunked, event, LAST_CHUNK, STREAM_HEAD, transcriptOf } from './transcript.ts';

const HEADED = 'POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n';
const bearer = ({ token }: Draw): string => `authorization: Bearer ${token}\r\n`;
/** A whole second request, to be hidden inside a first. */
const smuggled = (draw: Draw): string =>
  post(draw, { body: chatBody({ ...draw, model: `smuggled-${draw.model}` }, {}) }).toString('latin1');

function manyHeaders(draw: Draw): Attack {
  const { random } = draw;
  const many = Array.from({ length: whole(random, 300, SIZES.headersMax) }, (_, place) => `a${place}:1`);
  const large = [`x-large: ${'v'.repeat(whole(random, 17_000, SIZES.headerBytesMax))}`];
  const name = [`${'n'.repeat(20_000)}: 1`];
  return { steps: [get(draw, '/v1/models', pick(random, [many, large, name]))], answers: 1 };
}

function longUrl(draw: Draw): Attack {
  const path = `/${pick(draw.random, ['x', '%41', '/', '?a=&'])}`.repeat(
    whole(draw.random, 5_000, SIZES.urlBytesMax / 2),
  );
  return { steps: [get(draw, path)], answers: 1 };
}

function twoFramings(draw: Draw): Attack {
  const body = chatBody(draw);
  const hidden = smuggled(draw);
  const inner = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const forms: readonly (readonly [string, string])[] = [
    [`content-length: ${inner.length}\r\ntransfer-encoding: chunked\r\n`, inner],
    [`transfer-encoding: chunked\r\ncontent-length: 4\r\n`, `0\r\n\r\n${hidden}`],
    [`content-length: ${body.length}\r\ncontent-length: ${body.length + hidden.length}\r\n`, body + hidden],
    [`content-length: ${body.length}\r\ncontent-length: ${body.length}\r\n`, body],
    [`transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n`, inner],
    [`transfer-encoding: identity, chunked, identity\r\n`, inner],
    [`transfer-encoding: xchunked\r\n`, inner],
    [`transfer-encoding: chunked\r\ncontent-length: ${inner.length}\r\n`, inner],
    [`transfer-encoding : chunked\r\ncontent-length: 6\r\n`, `0\r\n\r\n${hidden}`],
    [`transfer-encoding:\x0bchunked\r\ncontent-length: 4\r\n`, `0\r\n\r\n${hidden}`],
    [`content-length: ${body.length}, ${body.length}\r\n`, body],
  ];
  const [framing, sent] = pick(draw.random, forms);
  return { steps: [`${HEADED}${bearer(draw)}${framing}\r\n${sent}`], answers: 1, forbidden: `smuggled-${draw.model}` };
}

function brokenFraming(draw: Draw): Attack {
  const body = chatBody(draw);
  const te = 'transfer-encoding: chunked\r\n\r\n';
  const form = pick(draw.random, [
    `content-length: -1\r\n\r\n${body}`,
    `content-length: +${body.length}\r\n\r\n${body}`,
    `content-length: 0x${body.length.toString(16)}\r\n\r\n${body}`,
    `content-length: 1e3\r\n\r\n${body}`,
    `content-length: 99999999999999999999999\r\n\r\n${body}`,
    `content-length: ${body.length} ${body.length}\r\n\r\n${body}`,
    `${te}zz\r\n${body}\r\n0\r\n\r\n`,
    `${te}-5\r\n${body}\r\n0\r\n\r\n`,
    `${te}ffffffffffffffffff\r\n${body}`,
    `${te}5\r\n${body}`,
    `${te}${body.length.toString(16)}\n${body}\n0\n\n`,
    `${te}${body.length.toString(16)};${'e'.repeat(SIZES.chunkExtensionBytesMax)}\r\n${body}\r\n0\r\n\r\n`,
    `${te}0x${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    `${te}${body.length.toString(16)}\r\n${body}\r\n0\r\nbad trailer\r\n\r\n`,
  ]);
  return { steps: [`${HEADED}${bearer(draw)}${form}`], answers: 1 };
}

function oddFraming(draw: Draw): Attack {
  const body = chatBody(draw);
  const size = body.length.toString(16);
  const pieces = Array.from(body, (letter) => `1\r\n${letter}\r\n`).join('');
  const form = pick(draw.random, [
    `transfer-encoding: chunked\r\n\r\n${size};name=value\r\n${body}\r\n0\r\n\r\n`,
    `transfer-encoding: chunked\r\n\r\n000${size.toUpperCase()}\r\n${body}\r\n0\r\n\r\n`,
    `Transfer-Encoding: CHUNKED\r\n\r\n${pieces}0\r\n\r\n`,
    `transfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n${size}\r\n${body}\r\n0\r\nx-t: 1\r\n\r\n`,
    `CONTENT-LENGTH:${body.length}   \r\n\r\n${body}`,
    `upgrade: websocket\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  ]);
  // What Node's parser takes for a request line, beside the usual one: still one request with one body.
  const line = pick(draw.random, [
    HEADED,
    HEADED,
    'POST /v1/chat/completions HTTP/1.0\r\n',
    'POST /v1/chat/completions HTTP/2.0\r\nhost: x\r\n',
    'POST  /v1/chat/completions HTTP/1.1\r\nhost: x\r\n',
    'POST /v1/chat/completions\r\nhost: x\r\n',
  ]);
  return { steps: [`\r\n${line}${bearer(draw)}${form}`], answers: 1, expects: PASSES };
}

function brokenLines(draw: Draw): Attack {
  const body = chatBody(draw);
  const end = `${bearer(draw)}content-length: ${body.length}\r\n\r\n${body}`;
  const line = pick(draw.random, [
    'x-a: 1\r\n folded\r\n',
    'x-a: a\0b\r\n',
    'x-a: a\rb\r\n',
    'x-a: a\nx-b: b\r\n',
    'x a: 1\r\n',
    'x-a : 1\r\n',
    ': 1\r\n',
    'x-a\r\n',
    '\x01: 1\r\n',
    'x-a: \x7f\r\n',
    'x-\xe9: 1\r\n',
    ' x-a: 1\r\n',
    '\n',
    'x-a: 1\n',
  ]);
  const start = pick(draw.random, [
    `${HEADED}${line}`,
    `${HEADED}${line}`,
    `${HEADED}${line}`,
    'POST /v1/chat/completions HTTP/1.2\r\nhost: x\r\n',
    'POST /v1/chat completions HTTP/1.1\r\nhost: x\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x00\xa5\x01\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nHOST: b\r\n',
  ]);
  return { steps: [start + end], answers: 1, forbidden: `smuggled-${draw.model}` };
}

function hosts(draw: Draw): Attack {
  const { random, token } = draw;
  const [target, host] = pick(random, [
    ['/v1/models', 'evil.example'],
    ['/v1/models', 'evil.example\r\nhost: 127.0.0.1'],
    ['http://evil.example/v1/models', '127.0.0.1'],
    ['http://127.0.0.1/v1/models', '127.0.0.1'],
    ['/v1/models', ''],
    ['/v1/models', 'a b'],
    ['/v1/models', '127.0.0.1:99999'],
    ['/v1/models', '[::1'],
    ['//evil.example/v1/models', '127.0.0.1'],
    ['/v1/models', 'evil.example\r\norigin: http://evil.example'],
    ['/v1/models', '127.0.0.1\r\nsec-fetch-site: cross-site'],
  ] as const);
  return { steps: [`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`], answers: 1 };
}

const slowHead: Generator = (draw) => {
  const [start, drip] = pick(draw.random, [
    ['POST /', 'x'],
    [HEADED, 'x: y\r\n'],
    [`${HEADED}x: `, 'y'],
  ] as const);
  return { steps: [start, { drip: Buffer.from(drip), everyMs: 100 }], answers: 1 };
};

const slowBody: Generator = (draw) => ({
  steps: [
    post(draw, {
      body: '{',
      headers: [pick(draw.random, ['content-length: 9999', 'transfer-encoding: chunked'])],
      framed: false,
    }).subarray(0, -1),
    { drip: Buffer.from('1\r\n \r\n'), everyMs: 100 },
  ],
  answers: 1,
});

function halfClosed(draw: Draw): Attack {
  return { steps: [post(draw, { body: chatBody(draw, { stream: draw.random() < 0.5 }) }), 'half-close'], answers: 1 };
}

function midRequest(draw: Draw): Attack {
  const request = post(draw, { body: chatBody(draw) });
  const cut = request.subarray(0, whole(draw.random, 1, request.length - 1));
  return {
    steps: [cut, { pauseMs: whole(draw.random, 0, 5) }, pick(draw.random, ['reset', 'half-close'] as const)],
    answers: 1,
  };
}

function goneEarly(draw: Draw): Attack {
  return {
    steps: [post(draw, { body: chatBody(draw, { stream: true }) }), { pauseMs: whole(draw.random, 0, 6) }, 'reset'],
    answers: 1,
  };
}

function expectations(draw: Draw): Attack {
  const value = pick(draw.random, ['100-continue', '100-Continue', '200-ok', 'nonsense']);
  const isKnown = value.toLowerCase() === '100-continue';
  const request = post(draw, { body: chatBody(draw), headers: [`expect: ${value}`] });
  const split = request.indexOf('\r\n\r\n') + 4;
  return {
    steps: [request.subarray(0, split), { pauseMs: 5 }, request.subarray(split)],
    answers: 1,
    expects: isKnown ? PASSES : { statuses: [417], endings: ['refusal'], dispatches: [0, 0] },
  };
}

function pipelined(draw: Draw): Attack {
  const calls = whole(draw.random, 1, SIZES.pipelinedMax);
  const one = post(draw, { body: chatBody(draw, { stream: draw.random() < 0.5 }) });
  return {
    steps: [Buffer.concat(Array.from({ length: calls }, () => one))],
    answers: calls,
    expects: { dispatches: [calls, calls] },
  };
}

/** So many bytes of text, as fast as they are taken; then the count and the end. */
const pouring =
  (bytesMax: number, ending: readonly Buffer[]): Play =>
  async (wire) => {
    wire.send(STREAM_HEAD);
    const piece = chunked(
      event(JSON.stringify({ choices: [{ index: 0, delta: { content: 'w'.repeat(16_000) }, finish_reason: null }] })),
    );
    for (let sent = 0; sent < bytesMax && !wire.isGone; sent += piece.length) await wire.pour(piece);
    wire.send(Buffer.concat([...ending.map(chunked), Buffer.from(LAST_CHUNK)]));
  };

/** Slow, but never still for as long as a time-out: everything arrives. */
function readsSlowly(draw: Draw): Attack {
  const { tokens, events } = transcriptOf(draw.random, draw.model);
  return {
    steps: [
      post(draw, { body: chatBody(draw, { stream: true, stream_options: { include_usage: true } }) }),
      { sipEveryMs: 40 },
    ],
    answers: 1,
    play: pouring(SIZES.slowlyReadBytes, events.slice(-3)),
    tokens,
  };
}

/** More than the sockets on the way can hold, to somebody who asked for it and takes none of it. */
function readsNothing(draw: Draw): Attack {
  const play = pouring(SIZES.unreadBytes, [event('[DONE]')]);
  return {
    steps: [
      'stop-reading',
      post(draw, { body: chatBody(draw, { stream: true }) }),
      { pauseMs: UPSTREAM.idleTimeoutMs + 6_000 },
      'read',
    ],
    answers: 1,
    play,
  };
}

export const CALLER_ATTACKS: Readonly<Record<FromCaller, Generator>> = {
  ...BODIES,
  ...NAMES,
  'many or large headers': manyHeaders,
  'a long URL': longUrl,
  'two framings': twoFramings,
  'broken framing': brokenFraming,
  'odd but allowed framing': oddFraming,
  'broken header lines': brokenLines,
  'other hosts and absolute addresses': hosts,
  'a head that never ends': slowHead,
  'a body that never ends': slowBody,
  'half-closed': halfClosed,
  'gone in the middle of its request': midRequest,
  'gone before the answer': goneEarly,
  Expect: expectations,
  pipelined,
  'a slow reader': readsSlowly,
  'a reader who takes nothing': readsNothing,
};
