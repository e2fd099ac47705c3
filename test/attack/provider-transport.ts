/** What a provider may do to the connection: framing, heads, statuses, silence and resets. The words in it are correct. */
import { pick } from '../rig/random.ts';
import { type Attack, type Draw, type Generator, type Play, whole } from './case.ts';
import { type FromProvider, SIZES } from './classes.ts';
import type { Script } from './hostile-provider.ts';
import { answeredBy, CONTENTS, say } from './provider-contents.ts';
import { chunked, framed, headOf, STREAM_HEAD, streamed, transcriptOf } from './transcript.ts';

const JSON_TYPE = 'content-type: application/json';

function endlessHead(draw: Draw): Attack {
  const play: Play = async (wire) => {
    wire.send('HTTP/1.1 200 OK\r\n');
    const line = pick(draw.random, [`x-more: ${'v'.repeat(200)}\r\n`, 'y'.repeat(500), 'a: b\r\n']);
    while (!wire.isGone) await wire.pour(line.repeat(20));
  };
  return answeredBy(draw, { stream: draw.random() < 0.5 }, play);
}

function interim(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const status = pick(random, [100, 102, 103]);
  const flood = headOf(status, 'link: </x>')
    .toString('latin1')
    .repeat(whole(random, 1, SIZES.interimMax));
  return answeredBy(draw, { stream: true }, say(flood, streamed(transcript.events)), { tokens: transcript.tokens });
}

function endlessInterim(draw: Draw): Attack {
  const play: Play = async (wire) => {
    while (!wire.isGone) {
      await wire.pour(headOf(103, 'link: </x>'));
      await wire.pause(5);
    }
  };
  return answeredBy(draw, { stream: true }, play);
}

function wrongLength(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const stream = random() < 0.5;
  const body = stream ? Buffer.concat(transcript.events) : transcript.body;
  const length = pick(random, [
    String(body.length + 10),
    String(body.length - 5),
    '0',
    '-1',
    '1e3',
    '99999999999999999999',
    '5, 6',
  ]);
  const type = stream ? 'content-type: text/event-stream' : JSON_TYPE;
  const play: Play = async (wire) => {
    wire.send(headOf(200, type, `content-length: ${length}`));
    wire.send(body);
    await wire.pause(20);
    wire.end();
  };
  return answeredBy(draw, { stream }, play, { tokens: transcript.tokens });
}

/** In the middle, before anything that counts has come. */
function brokenChunks(draw: Draw): Attack {
  const { events } = transcriptOf(draw.random, draw.model);
  const garbage = pick(draw.random, [
    'zz\r\n',
    '-5\r\nhello\r\n',
    'ffffffffffffffffff\r\n',
    '5\r\nhelloworld\r\n',
    '\r\n\r\n',
    '5;\0\r\nhello\r\n',
    '5\nhello\n',
  ]);
  const play: Play = async (wire) => {
    wire.send(STREAM_HEAD);
    if (draw.random() < 0.5) wire.send(chunked(events[0]!));
    wire.send(garbage);
    await wire.pause(20);
    wire.end();
  };
  return answeredBy(draw, { stream: draw.random() < 0.7 }, play);
}

function noHttp(draw: Draw): Attack {
  const text = pick(draw.random, [
    'HELLO\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 abc OK\r\n\r\n',
    '{"json":1}\n\n',
    'HTTP/1.1 200 OK\r\nbroken line\r\n\r\n',
    'HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n',
    '',
  ]);
  const play: Play = async (wire) => {
    wire.send(text);
    await wire.pause(10);
    wire.end();
  };
  return answeredBy(draw, { stream: draw.random() < 0.5 }, play);
}

function redirect(draw: Draw): Attack {
  const status = pick(draw.random, [301, 302, 303, 304, 307, 308]);
  const head = headOf(status, 'location: /v1/elsewhere', 'content-length: 0');
  return answeredBy(draw, { stream: draw.random() < 0.5 }, say(head));
}

function oddStatus(draw: Draw): Attack {
  const status = pick(draw.random, [201, 204, 402, 418, 429, 499, 500, 502, 503, 599, 600, 999]);
  const body = status === 204 ? '' : pick(draw.random, ['{"error":{"message":"no"}}', 'no', '']);
  const head = headOf(
    status,
    JSON_TYPE,
    ...(status === 204 ? [] : [`content-length: ${body.length}`]),
    'retry-after: 99999999',
  );
  return answeredBy(draw, { stream: draw.random() < 0.5 }, say(head, body));
}

const ODD_HEADERS = [
  'x-region: 東京',
  'x-latin: caf\xe9',
  'x-control: a\x01b',
  'x-empty:',
  '__proto__: polluted',
  'constructor: x',
  'connection: x-secret, keep-alive\r\nx-secret: 1',
  'x-weighbridge-dispatch-id: dsp_forged',
  'x-request-id: forged',
  'set-cookie: a=b',
  'content-type: text/event-stream\r\ncontent-type: application/json',
  'access-control-allow-origin: *',
  'transfer-encoding: chunked',
  'x-fold: a\r\n b',
  'x-injected: a\rset-cookie: b',
  'bad name: x',
  'x-tab: a\tb',
  `x-long: ${'v'.repeat(30_000)}`,
  Array.from({ length: 500 }, (_, place) => `x-${place}: v`).join('\r\n'),
  'date: nonsense',
  'content-encoding: identity',
  'trailer: x-late',
  'upgrade: h2c',
];

/** About the connection, or about another origin than ours, or ours to say. */
const ORIGINS_OWN = ['forged', 'set-cookie', 'access-control', 'polluted', 'upgrade:', 'x-secret', 'x-late'];

function oddHeaders(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const stream = random() < 0.6;
  const lines = Buffer.from(`${pick(random, ODD_HEADERS)}\r\n`, random() < 0.5 ? 'utf8' : 'latin1');
  const answer = stream ? streamed(transcript.events) : framed(transcript.body);
  const at = answer.indexOf('\r\n') + 2;
  const play = say(Buffer.concat([answer.subarray(0, at), lines, answer.subarray(at)]));
  return answeredBy(draw, { stream }, play, { tokens: transcript.tokens, unseen: ORIGINS_OWN });
}

/** A second answer behind the first, which must never reach the next call on the connection. */
function unasked(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const stream = random() < 0.5;
  const own = stream ? streamed(transcript.events) : framed(transcript.body);
  const foreign = framed(
    Buffer.from(JSON.stringify({ id: 'poison', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })),
  );
  const bytes = stream ? Buffer.concat(transcript.events) : transcript.body;
  return answeredBy(draw, { stream }, say(Buffer.concat([own, foreign])), { bytes, tokens: transcript.tokens });
}

function slowDrip(draw: Draw): Attack {
  const transcript = transcriptOf(() => 0.1, draw.model);
  const wire = streamed(transcript.events);
  const play: Play = async (to) => {
    for (let at = 0; at < wire.length; at += 9) {
      to.send(wire.subarray(at, at + 9));
      await to.pause(10);
    }
  };
  return answeredBy(draw, { stream: true }, play, {
    bytes: Buffer.concat(transcript.events),
    tokens: transcript.tokens,
  });
}

function silence(draw: Draw): Attack {
  const { events } = transcriptOf(draw.random, draw.model);
  const before = pick(draw.random, [
    '',
    'HTTP/1.1 200 OK\r\nx: ',
    STREAM_HEAD,
    Buffer.concat([STREAM_HEAD, chunked(events[0]!)]),
  ]);
  return answeredBy(draw, { stream: true }, say(before));
}

function resets(draw: Draw): Attack {
  const { random, model, index } = draw;
  const transcript = transcriptOf(() => 0.3, model);
  const stream = random() < 0.7;
  const bytes = stream ? streamed(transcript.events) : framed(transcript.body);
  const at = (index * 13) % (bytes.length + 1);
  const isGentle = random() < 0.5;
  const play: Play = async (wire) => {
    wire.send(bytes.subarray(0, at));
    await wire.pause(isGentle ? 0 : 2);
    if (isGentle) wire.end();
    else wire.reset();
  };
  return answeredBy(draw, { stream }, play, { tokens: transcript.tokens });
}

export const PROVIDER_ATTACKS: Readonly<Record<FromProvider, Generator>> = {
  ...CONTENTS,
  'headers without end': endlessHead,
  'interim answers': interim,
  'interim answers without end': endlessInterim,
  'wrong content-length': wrongLength,
  'broken chunks': brokenChunks,
  'no HTTP': noHttp,
  redirects: redirect,
  'odd statuses': oddStatus,
  'odd headers': oddHeaders,
  'an answer nobody asked for': unasked,
  'a slow drip': slowDrip,
  silence,
  'reset at every phase': resets,
};

/** For models that no case has scripted: a correct stream or body. */
export function plainScript(model: string): Script {
  const { tokens, events, body } = transcriptOf(() => 0.5, model);
  return { tokens, play: (wire, { stream }) => wire.send(stream ? streamed(events) : framed(body)) };
}
