/**
 * What a provider may say that it should not: counts that cannot be, deformed events and bodies, compression. The framing
 * of HTTP itself is correct here; provider-transport.ts deforms that.
 */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pick, type Random } from '../rig/random.ts';
import { type Attack, chatBody, type Draw, type Generator, type Play, post, whole } from './case.ts';
import { type FromProvider, SIZES } from './classes.ts';
import {
  assembled,
  chunked,
  event,
  framed,
  headOf,
  LAST_CHUNK,
  STREAM_HEAD,
  streamed,
  type Transcript,
  transcriptOf,
} from './transcript.ts';

export interface Asked {
  stream: boolean;
  /** The caller wants the usage chunk, so that not a byte may be missing. */
  asks?: boolean;
}

/** A plain call of the case's model, and the provider's play to it. */
export function answeredBy(draw: Draw, { stream, asks = true }: Asked, play: Play, more: Partial<Attack> = {}): Attack {
  const options = stream ? { stream, ...(asks ? { stream_options: { include_usage: true } } : {}) } : {};
  return { steps: [post(draw, { body: chatBody(draw, options) })], answers: 1, play, ...more };
}

export const say =
  (...parts: (Buffer | string)[]): Play =>
  (wire) => {
    for (const part of parts) wire.send(part);
  };

/** Stream or body, as chance will; the transcript's events or body through an edit of the bytes. */
function said(draw: Draw, transcript: Transcript, more: Partial<Attack> = {}): Attack {
  const stream = draw.random() < 0.6;
  const bytes = stream ? Buffer.concat(transcript.events) : transcript.body;
  const answer = stream ? streamed(transcript.events) : framed(transcript.body);
  return answeredBy(draw, { stream }, say(answer), { bytes, tokens: transcript.tokens, ...more });
}

/** JSON's own spelling where there is one; the rest is put in as text. */
const IMPOSSIBLE = [
  '-1',
  '1.5',
  '1e400',
  '"12"',
  '9007199254740993',
  'true',
  '[]',
  '{}',
  '-0.5',
  '1e309',
  '1000000001',
  '1e15',
  '1e18',
];
const COUNT_FIELDS = ['prompt_tokens', 'completion_tokens', 'total_tokens', 'cached_tokens', 'reasoning_tokens'];

function spelled(transcript: Transcript, field: string, value: string): Transcript {
  const swap = (bytes: Buffer): Buffer => {
    const text = bytes.toString('utf8');
    return Buffer.from(text.replace(new RegExp(`("usage":.*"${field}":)\\d+`), `$1${value}`));
  };
  return { ...transcript, events: transcript.events.map(swap), body: swap(transcript.body) };
}

function impossibleUsage(draw: Draw): Attack {
  const transcript = transcriptOf(draw.random, draw.model);
  const field = pick(draw.random, COUNT_FIELDS);
  // Objects and lists in a details field are no count at all in some dialects' eyes, so they stay with the sums.
  return said(draw, spelled(transcript, field, pick(draw.random, IMPOSSIBLE)), { tokens: null });
}

/** The chunk is no JSON then, nor the body; whatever a lenient parser would make of it is not counted. */
function unspeakableUsage(draw: Draw): Attack {
  const transcript = transcriptOf(draw.random, draw.model);
  const field = pick(draw.random, COUNT_FIELDS);
  const value = pick(draw.random, [
    'NaN',
    'Infinity',
    '-Infinity',
    '0x10',
    '1_000',
    '+5',
    '.5',
    '007',
    'undefined',
    '1e',
  ]);
  return said(draw, spelled(transcript, field, value), { tokens: null });
}

/** Repeats are cumulative: the largest of each counts, never a sum. */
function repeatedUsage(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const share = random();
  const smaller = {
    prompt_tokens: Math.floor(Number(transcript.usage.prompt_tokens) * share),
    completion_tokens: 0,
    total_tokens: 0,
  };
  const usages = pick(random, [
    [transcript.usage, transcript.usage],
    [smaller, transcript.usage],
    [transcript.usage, smaller],
    [smaller, transcript.usage, smaller],
  ]);
  const chunks = usages.map((usage) => event(JSON.stringify({ id: 'u', model, choices: [], usage })));
  const events = [...transcript.events.slice(0, -2), ...chunks, transcript.events.at(-1)!];
  return answeredBy(draw, { stream: true }, say(streamed(events)), {
    bytes: Buffer.concat(events),
    tokens: transcript.tokens,
  });
}

function afterTheEnd(draw: Draw): Attack {
  const transcript = transcriptOf(draw.random, draw.model);
  const late = pick(draw.random, [
    transcript.events[1]!,
    event('[DONE]'),
    Buffer.from(': late\n\n'),
    transcript.events.at(-2)!,
  ]);
  const events = [...transcript.events, late, late];
  return answeredBy(draw, { stream: true }, say(streamed(events)), {
    bytes: Buffer.concat(events),
    tokens: transcript.tokens,
  });
}

function halfAnEvent(draw: Draw): Attack {
  const { events } = transcriptOf(draw.random, draw.model);
  // Before the stop reason, so that what came is not all there is.
  const sent = events.slice(0, whole(draw.random, 0, events.length - 4));
  const next = events[sent.length]!;
  const half = next.subarray(0, whole(draw.random, 1, next.length - 3));
  return answeredBy(draw, { stream: true }, say(streamed([...sent, half])));
}

/** Two reads with the cut at the next place in turn; now and then every byte alone. */
function cutAnywhere(draw: Draw): Attack {
  const { random, model, index } = draw;
  const transcript = transcriptOf(() => 0.3, model);
  const asks = random() < 0.5;
  const wire = streamed(transcript.events);
  const at = 1 + ((index * 7) % (wire.length - 1));
  const bytes = Buffer.concat(
    asks ? transcript.events : transcript.events.filter((_, place) => place !== transcript.events.length - 2),
  );
  const play: Play = async (to) => {
    to.send(wire.subarray(0, at));
    await to.pause(1);
    to.send(wire.subarray(at));
  };
  return answeredBy(draw, { stream: true, asks }, play, { bytes, tokens: transcript.tokens });
}

/** The head at once: it has a time-out, and a byte a turn may take long here. */
const byteByByte =
  (bytes: Buffer): Play =>
  async (wire) => {
    wire.send(bytes.subarray(0, STREAM_HEAD.length));
    for (let at = STREAM_HEAD.length; at < bytes.length; at++) {
      wire.send(bytes.subarray(at, at + 1));
      if (at % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };

/** Each byte a chunk of HTTP's, thousands of them in a few reads: what holds them must not hold a buffer for each. */
function tinyChunks(draw: Draw): Attack {
  const made = transcriptOf(draw.random, draw.model);
  const long = assembled(draw.model, ['w'.repeat(SIZES.tinyChunks)], made.usage, made.tokens);
  const bytes = Buffer.concat(long.events);
  const wire = Buffer.concat([
    STREAM_HEAD,
    ...Array.from(bytes, (byte) => chunked(Buffer.of(byte))),
    Buffer.from(LAST_CHUNK),
  ]);
  return answeredBy(draw, { stream: true }, say(wire), { bytes, tokens: made.tokens });
}

function cutLetters(draw: Draw): Attack {
  const made = transcriptOf(draw.random, draw.model);
  const transcript = assembled(draw.model, ['東', '🜁'.repeat(whole(draw.random, 1, 9)), 'é'], made.usage, made.tokens);
  const bytes = Buffer.concat(transcript.events);
  return answeredBy(draw, { stream: true }, byteByByte(streamed(transcript.events)), { bytes, tokens: made.tokens });
}

const LINE_ENDS = ['\n', '\r\n', '\r'] as const;

/** Every line end of its own kind; a lone CR is followed by no LF of the next line, or the two would be one. */
function mixedLineEnds(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const uniform = random() < 0.3 ? pick(random, LINE_ENDS) : null;
  const events = transcript.events.map((bytes) => {
    const first = uniform ?? pick(random, LINE_ENDS);
    const second = uniform ?? pick(random, first === '\r' ? (['\r', '\r\n'] as const) : LINE_ENDS);
    const comment = random() < 0.2 ? `: note${first}` : '';
    return Buffer.from(`${comment}${bytes.toString('utf8').trimEnd()}${first}${second}`);
  });
  const play = random() < 0.5 ? say(streamed(events)) : byteByByte(streamed(events));
  return answeredBy(draw, { stream: true }, play, { bytes: Buffer.concat(events), tokens: transcript.tokens });
}

function byteOrderMark(draw: Draw): Attack {
  const transcript = transcriptOf(draw.random, draw.model);
  const events = [Buffer.from('\ufeff'), ...transcript.events];
  return answeredBy(draw, { stream: true }, say(streamed(events)), {
    bytes: Buffer.concat(events),
    tokens: transcript.tokens,
  });
}

const CODECS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync } as const;
type Coding = keyof typeof CODECS;
const CODINGS = Object.keys(CODECS) as Coding[];

function compressed(draw: Draw, deform: (bytes: Buffer, random: Random) => Buffer, more: Partial<Attack>): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const coding = pick(random, CODINGS);
  const stream = random() < 0.5;
  const packed = deform(CODECS[coding](stream ? Buffer.concat(transcript.events) : transcript.body), random);
  const head = stream ? ['content-type: text/event-stream'] : [];
  const play = say(framed(packed, ...head, `content-encoding: ${coding}`));
  return answeredBy(draw, { stream }, play, { bytes: packed, tokens: transcript.tokens, ...more });
}

function broken(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, whole(random, 1, bytes.length - 1));
}

/**
 * Stored, not deflated, so that a digit of the count can be changed and everything but the checksum is right; that comes a
 * moment later, when the count has been read.
 */
function falseChecksum(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const stream = random() < 0.5;
  const body = stream ? Buffer.concat(transcript.events) : transcript.body;
  const coding = pick(random, ['gzip', 'deflate'] as const);
  const packed = Buffer.from(CODECS[coding](body, { level: 0 }));
  packed[packed.indexOf('"completion_tokens":') + '"completion_tokens":'.length]! ^= 1;
  const head = stream ? ['content-type: text/event-stream'] : [];
  const answer = framed(packed, ...head, `content-encoding: ${coding}`);
  const play: Play = async (wire) => {
    wire.send(answer.subarray(0, -4));
    await wire.pause(20);
    wire.send(answer.subarray(-4));
  };
  return answeredBy(draw, { stream }, play, { bytes: packed });
}

const bombs = new Map<string, Buffer>();

/** Packed once: that takes the time of a hundred other cases. */
function bombOf(unit: string): Buffer {
  const packed = bombs.get(unit) ?? gzipSync(Buffer.alloc(SIZES.unpackedBytes, unit));
  bombs.set(unit, packed);
  return packed;
}

function bomb(draw: Draw): Attack {
  const stream = draw.random() < 0.5;
  const packed = bombOf(stream ? 'data: {}\n\n' : ' ');
  const head = stream ? ['content-type: text/event-stream'] : [];
  return answeredBy(draw, { stream }, say(framed(packed, ...head, 'content-encoding: gzip')));
}

function errorAsSuccess(draw: Draw): Attack {
  const error = pick(draw.random, [{ message: 'no', type: 'server_error' }, 'no']);
  const stream = draw.random() < 0.5;
  const answer = stream ? streamed([event(JSON.stringify({ error }))]) : framed(Buffer.from(JSON.stringify({ error })));
  return answeredBy(draw, { stream }, say(answer));
}

const PAGES = [
  '<!doctype html><h1>Just a moment...</h1>',
  '<html>\n\n<body>blocked</body>\n\n</html>',
  '',
  'OK',
  'null',
  '[]',
  '"text"',
];

function page(draw: Draw): Attack {
  const body = Buffer.from(pick(draw.random, PAGES));
  const type = pick(draw.random, ['text/html; charset=utf-8', 'text/plain', 'application/json', '']);
  return answeredBy(draw, { stream: draw.random() < 0.5 }, say(framed(body, `content-type: ${type}`)));
}

function endlessEvents(draw: Draw): Attack {
  const { events } = transcriptOf(draw.random, draw.model);
  const play: Play = async (wire) => {
    wire.send(STREAM_HEAD);
    while (!wire.isGone) {
      await wire.pour(chunked(events[0]!));
      await wire.pause(2);
    }
  };
  return answeredBy(draw, { stream: true }, play);
}

const endless =
  (head: Buffer, piece: Buffer): Play =>
  async (wire) => {
    wire.send(head);
    while (!wire.isGone) await wire.pour(piece);
  };

function endlessLine(draw: Draw): Attack {
  const start = pick(draw.random, ['data: {"choices":[{"delta":{"content":"', ': ', 'x', 'data: [DONE]']);
  const head = Buffer.concat([STREAM_HEAD, chunked(Buffer.from(start))]);
  return answeredBy(draw, { stream: true }, endless(head, chunked(Buffer.alloc(4096, 'a'))));
}

function endlessBody(draw: Draw): Attack {
  const head = headOf(200, 'content-type: application/json', 'transfer-encoding: chunked');
  return answeredBy(draw, { stream: false }, endless(head, chunked(Buffer.alloc(8192, '['))));
}

const NAMES = [
  '\\u0000',
  'a\\u0000b',
  '\\ud800',
  '\\udc00x',
  '\\uffff\\ufffe',
  '\\u202e\\u0007',
  "'); drop table entries; --",
  '__proto__',
];

/** In the places that are stored: the model, the id, the stop reason, the tier, and the raw usage. */
function names(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const name = pick(random, NAMES);
  const swap = (bytes: Buffer): Buffer =>
    Buffer.from(
      bytes
        .toString('utf8')
        .replace(`"id":"chatcmpl-${model}"`, `"id":"${name}"`)
        .replace(`"model":"${model}"`, `"model":"${name}"`)
        .replace('"finish_reason":"stop"', `"finish_reason":"${name}"`)
        .replace('"usage":{', `"usage":{"note":"${name}",`)
        .replace('"object":', `"service_tier":"${name}","object":`),
    );
  return said(draw, { ...transcript, events: transcript.events.map(swap), body: swap(transcript.body) });
}

function deepOrWide(draw: Draw): Attack {
  const { random, model } = draw;
  const transcript = transcriptOf(random, model);
  const odd = pick(random, [
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `{${Array.from({ length: 3_000 }, (_, key) => `"k${key}":0`).join(',')}}`,
    `1${'0'.repeat(30_000)}`,
    `"${'\\u0041'.repeat(8_000)}"`,
  ]);
  const swap = (bytes: Buffer): Buffer =>
    Buffer.from(bytes.toString('utf8').replace('"usage":{', `"odd":${odd},"usage":{`));
  return said(draw, { ...transcript, events: transcript.events.map(swap), body: swap(transcript.body) });
}

export const CONTENTS = {
  'usage that cannot be': impossibleUsage,
  'counts that JSON cannot say': unspeakableUsage,
  'usage twice, or contradicting': repeatedUsage,
  'content after the end': afterTheEnd,
  'half an event': halfAnEvent,
  'cut at every byte': cutAnywhere,
  'thousands of tiny chunks': tinyChunks,
  'letters cut in the middle': cutLetters,
  'mixed line ends': mixedLineEnds,
  'a byte order mark': byteOrderMark,
  compressed: (draw) => compressed(draw, (bytes) => bytes, {}),
  'broken compression': (draw) => compressed(draw, broken, {}),
  'compression with a false checksum': falseChecksum,
  'a compression bomb': bomb,
  'an error with status 200': errorAsSuccess,
  'HTML with status 200': page,
  'events without end': endlessEvents,
  'a line without end': endlessLine,
  'a body without end': endlessBody,
  'names that no store takes': names,
  'deep or wide events': deepOrWide,
} as const satisfies Partial<Record<FromProvider, Generator>>;
