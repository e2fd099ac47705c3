/** What a caller may write into a body that it should not. The framing is correct HTTP, the names in it are known. */
import { gzipSync } from 'node:zlib';
import { pick } from '../rig/random.ts';
import {
  type Attack,
  chatBody,
  type Draw,
  type Expected,
  type Generator,
  PROMPT_MARK,
  post,
  sent,
  whole,
} from './case.ts';
import { type FromCaller, LIMITS, SIZES } from './classes.ts';

export const PASSES: Partial<Expected> = {
  statuses: [200],
  endings: ['whole'],
  dispatches: [1, 1],
  books: ['completed reported'],
};
const REFUSED: Partial<Expected> = { statuses: [400], endings: ['refusal'], dispatches: [0, 0] };

const FRAGMENTS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  'null',
  '\0',
  '\n',
  'NaN',
  '-',
  '1e',
  '//x',
  "'",
  '\ufeff',
  'tru',
];

/** A valid body with a few bytes put in, taken out or swapped; the judge is JSON.parse, here in the test. */
function malformed(draw: Draw): Attack {
  const { random, model } = draw;
  // Only what comes behind the model's name is harmed, so that the case is known by it.
  const start = `{"model":"hostile/${model}",`;
  let rest = chatBody(draw, { stream: random() < 0.5, temperature: 1, tools: [] }).slice(start.length);
  for (let count = whole(random, 1, 3); count > 0; count--) {
    const at = whole(random, 0, rest.length);
    const taken = whole(random, 0, 2);
    rest = rest.slice(0, at) + (random() < 0.7 ? pick(random, FRAGMENTS) : '') + rest.slice(at + taken);
  }
  const body = start + rest;
  return sent(draw, body, { expects: isChat(body) ? PASSES_OR_REFUSED : REFUSED });
}

/** Parses and has messages: whether its other fields are allowed is another class’s matter. */
const PASSES_OR_REFUSED: Partial<Expected> = {
  ...PASSES,
  statuses: [200, 400],
  endings: ['whole', 'refusal'],
  dispatches: [0, 1],
};

function isChat(text: string): boolean {
  try {
    const body = JSON.parse(text) as { messages?: unknown };
    return Array.isArray(body.messages) && body.messages.length > 0;
  } catch {
    return false;
  }
}

const nest = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);

function deep(draw: Draw): Attack {
  const depth = whole(draw.random, LIMITS.jsonDepthMax, SIZES.depthMax);
  // The objects take six bytes a level, and the body must stay within its own limit.
  const value = pick(draw.random, [
    nest('[', ']', depth),
    nest('{"a":', '}', Math.min(depth, SIZES.objectDepthMax)).replace('}', '0}'),
    '['.repeat(depth),
  ]);
  const body = chatBody(draw).replace(/}$/, `,"deep":${value}}`);
  return sent(draw, draw.random() < 0.2 ? value : body);
}

function allowedDepth(draw: Draw): Attack {
  return sent(draw, chatBody(draw).replace(/}$/, `,"deep":${nest('[', ']', LIMITS.jsonDepthMax - 1)}}`), {
    expects: PASSES,
  });
}

function tooLarge(draw: Draw): Attack {
  const body = chatBody(draw, { pad: 'x'.repeat(whole(draw.random, LIMITS.bodyBytesMax, SIZES.bodyBytesMax)) });
  const way = pick(draw.random, ['declared', 'chunked', 'only declared'] as const);
  if (way === 'declared') return sent(draw, body);
  if (way === 'only declared') {
    const head = post(draw, {
      body: '{',
      headers: [`content-length: ${draw.random() < 0.5 ? body.length : 999_999_999_999}`],
      framed: false,
    });
    return { steps: [head], answers: 1 };
  }
  const head = post(draw, { body: '', headers: ['transfer-encoding: chunked'], framed: false });
  return { steps: [head, `${body.length.toString(16)}\r\n`, Buffer.from(body)], answers: 1 };
}

function manyKeys(draw: Draw): Attack {
  const keys = Array.from({ length: whole(draw.random, 100, SIZES.manyKeys) }, (_, place) => `"k${place}":0`).join(',');
  const more = draw.random() < 0.5 ? keys : `"n":1${'0'.repeat(100_000)},"m":[${'1,'.repeat(50_000)}1]`;
  return sent(draw, chatBody(draw).replace(/}$/, `,${more}}`), { expects: PASSES });
}

function duplicates(draw: Draw): Attack {
  const key = pick(draw.random, [
    'model',
    'messages',
    'stream',
    'stream_options',
    'user',
    'n',
    'max_tokens',
    'max_completion_tokens',
    'temperature',
    'tools',
  ]);
  const spelling = draw.random() < 0.5 ? key : escaped(key);
  const value = key === 'messages' ? '[{"role":"user","content":"b"}]' : key === 'model' ? '"hostile/other"' : 'null';
  const twice = `"${key}":${value},"${spelling}":${value}`;
  const body = chatBody(draw);
  return sent(draw, draw.random() < 0.5 ? body.replace('{', `{${twice},`) : body.replace(/}$/, `,${twice}}`));
}

const WRONG: readonly (readonly [string, readonly string[]])[] = [
  ['messages', ['null', '"hi"', '{}', '[]', '7', 'true']],
  ['model', ['7', '[]', '{}', 'true', 'null']],
  ['temperature', ['"hot"', '3', '-1', '[]', '1e400', '{}']],
  ['tools', ['{}', '"x"', '7', 'true']],
  ['stream', ['"true"', '1', '[]', '{}']],
  ['stream_options', ['[]', '"x"', '1', 'true']],
];

function wrongTypes(draw: Draw): Attack {
  const [key, values] = pick(draw.random, WRONG);
  const fields: Record<string, string> = {
    model: `"hostile/${draw.model}"`,
    messages: '[{"role":"user","content":"x"}]',
  };
  fields[key] = pick(draw.random, values);
  const body = pick(draw.random, [
    `{${Object.entries(fields)
      .map(([name, value]) => `"${name}":${value}`)
      .join(',')}}`,
    pick(draw.random, ['null', '[]', '"text"', '7', 'true', '', ' ', '{}']),
  ]);
  return sent(draw, body);
}

function noUtf8(draw: Draw): Attack {
  const bytes = Buffer.from(chatBody(draw, { user: 'somebody' }));
  const at = bytes.indexOf(pick(draw.random, [PROMPT_MARK, 'somebody']));
  const bad = pick(draw.random, [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe6, 0x9d], [0xf5, 0x80, 0x80, 0x80]]);
  return sent(draw, Buffer.concat([bytes.subarray(0, at), Buffer.from(bad), bytes.subarray(at)]));
}

/** Inside an object: refused where we read, passed as it is where we do not. */
function nestedDuplicates(draw: Draw): Attack {
  const twice = (key: string, ...values: string[]): string =>
    `{${values.map((value, place) => `"${place > 0 && draw.random() < 0.5 ? escaped(key) : key}":${value}`).join(',')}}`;
  const values = pick(draw.random, [
    ['true', 'false'],
    ['false', 'true'],
    ['true', 'true', 'null'],
  ]);
  if (draw.random() < 0.5) {
    const body = chatBody(draw, { stream: true }).replace(
      /}$/,
      `,"stream_options":${twice('include_usage', ...values)}}`,
    );
    return sent(draw, body, { expects: REFUSED });
  }
  const key = pick(draw.random, ['metadata', 'x', 'response_format', 'tool_choice']);
  return sent(draw, chatBody(draw).replace(/}$/, `,"${key}":${twice('include_usage', ...values)}}`), {
    expects: PASSES,
  });
}

const escaped = (key: string): string => key.replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);

function packed(draw: Draw): Attack {
  return { steps: [post(draw, { body: gzipSync(chatBody(draw)), headers: ['content-encoding: gzip'] })], answers: 1 };
}

export const BODIES = {
  'malformed JSON': malformed,
  'deep JSON': deep,
  'deep JSON within the limit': allowedDepth,
  'a body over the limit': tooLarge,
  'a body of very many keys or a very long number': manyKeys,
  'duplicate keys': duplicates,
  'duplicate keys inside': nestedDuplicates,
  'wrong types': wrongTypes,
  'no UTF-8': noUtf8,
  'a compressed body': packed,
} as const satisfies Partial<Record<FromCaller, Generator>>;
