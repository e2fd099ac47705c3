/**
 * Every class of attack, how often it is drawn, how large it gets, and what must come of it: the one place to look for what
 * has been tried. `times` is for one round; test/quotas.ts says how many rounds a tier plays.
 */
import type { Books, Expected } from './case.ts';

/**
 * The gateway's limits during a siege: small, so that passing them is quick; the times no smaller than what a busy machine
 * may keep a correct case waiting.
 */
export const LIMITS = {
  bodyBytesMax: 262_144,
  jsonDepthMax: 64,
  eventBytesMax: 65_536,
  answerBytesMax: 262_144,
  headTimeoutMs: 3_000,
  requestTimeoutMs: 6_000,
  retriesMax: 0,
  // The siege shares its machine with what plays it; shedding has tests of its own.
  eventLoopLagMaxMs: 0,
  ledgerWaitMaxMs: 0,
  metadataBytesMax: 512,
};
export const UPSTREAM = {
  connectTimeoutMs: 5_000,
  firstByteTimeoutMs: 4_000,
  idleTimeoutMs: 4_000,
  totalTimeoutMs: 8_000,
};

/** How far the attacks go beyond them. */
export const SIZES = {
  depthMax: 100_000,
  objectDepthMax: 40_000,
  bodyBytesMax: 4 * LIMITS.bodyBytesMax,
  manyKeys: 20_000,
  headersMax: 5_000,
  headerBytesMax: 60_000,
  urlBytesMax: 40_000,
  chunkExtensionBytesMax: 40_000,
  pipelinedMax: 40,
  interimMax: 300,
  tinyChunks: 6_000,
  /** What a caller who reads slowly is sent. */
  slowlyReadBytes: 3 * 1024 * 1024,
  /** What a small compressed answer unpacks to. */
  unpackedBytes: 12 * 1024 * 1024,
  /** What a caller who does not read is sent: more than the sockets of two connections may hold, some 10 MiB each. */
  unreadBytes: 40 * 1024 * 1024,
};

/** No case may leave its caller without an answer or an end for longer. */
export const CASE_MS = 20_000;
/** Rounds between two looks at the memory. */
export const ROUNDS_AT_ONCE = 4;
/** What may come on top of what was held after the warm-up, garbage collected: caches of names, not one body or answer. */
export const HELD_GROWTH_BYTES_MAX = 2 * 1024 * 1024;
/**
 * The same of resident memory, where freed pages linger for a while: some twice what one round sends through. What keeps one
 * body or answer of each round passes it in the long tier; the limit above finds it at once.
 */
export const RESIDENT_GROWTH_BYTES_MAX = 128 * 1024 * 1024;
/** Sockets and timers more than after the warm-up: the test's own connections come and go. */
export const RESOURCES_MORE_MAX = 2;

export interface AttackClass {
  times: number;
  /** Waits more than it works: played first, so that the others fill the time. */
  isSlow?: true;
  expects: Expected;
}

const NO_DISPATCH = { dispatches: [0, 0], books: [] } as const;
/** One request reached the provider, and one entry says one of these of it. */
const one = (...books: Books[]) => ({ dispatches: [1, 1], books }) as const;
const refused = (...statuses: number[]): Expected => ({ statuses, endings: ['refusal'], ...NO_DISPATCH });
/** A valid call, by its own judgement or in spite of everything. */
const ANSWERED: Expected = { statuses: [200], endings: ['whole'], ...one('completed reported') };
/** A question, or a call that the generator may find valid. */
const asked = (...statuses: number[]): Expected => ({ statuses, endings: ['whole', 'refusal'], ...NO_DISPATCH });
const failed = (...statuses: number[]): Expected => ({
  statuses,
  endings: ['refusal'],
  ...one('failed none', 'failed estimated', 'failed partial'),
});
const BROKEN: Expected = { ...failed(200, 502), endings: ['refusal', 'error event', 'cut'] };
/** Nobody waits for the answer any more: what there was is counted, or nothing was sent. */
const LEFT: Expected = {
  statuses: [200],
  endings: ['cut', 'whole'],
  dispatches: [0, 1],
  books: ['completed reported', 'aborted reported', 'aborted partial', 'aborted estimated', 'aborted none'],
};
/** Our HTTP client takes it or refuses it before the answer's first byte. */
const TAKEN_OR_NOT: Expected = {
  statuses: [200, 502],
  endings: ['whole', 'refusal'],
  ...one('completed reported', 'failed none'),
};

export const FROM_CALLERS = {
  'malformed JSON': { times: 12, expects: asked(200, 400) },
  'deep JSON': { times: 4, expects: refused(400) },
  'deep JSON within the limit': { times: 1, expects: ANSWERED },
  'a body over the limit': { times: 4, expects: { ...refused(413), endings: ['refusal', 'cut'] } },
  'a body of very many keys or a very long number': { times: 2, expects: ANSWERED },
  'duplicate keys': { times: 6, expects: refused(400) },
  'duplicate keys inside': { times: 4, expects: { ...ANSWERED, statuses: [200, 400], endings: ['whole', 'refusal'] } },
  'wrong types': { times: 8, expects: refused(400) },
  'no UTF-8': { times: 3, expects: refused(400) },
  'a compressed body': { times: 1, expects: refused(400) },
  'unknown names': { times: 6, expects: refused(400, 404) },
  'names that no engine keeps': { times: 4, expects: refused(400) },
  'SQL in every name': { times: 6, expects: ANSWERED },
  'SQL and nonsense in every query': { times: 20, expects: asked(200, 400, 404, 405) },
  'nonsense in cursors and event ids': {
    times: 6,
    expects: { ...asked(200, 400), endings: ['whole', 'refusal', 'cut'] },
  },
  'paths and methods that are none': {
    times: 10,
    expects: { ...asked(200, 400, 404, 405, 414, 501), endings: ['whole', 'refusal', 'cut'] },
  },
  'wrong credentials': { times: 5, expects: refused(401) },
  'many or large headers': { times: 4, expects: { ...asked(200, 400, 431), endings: ['whole', 'refusal', 'cut'] } },
  'a long URL': { times: 2, expects: { ...asked(400, 404, 414, 431), endings: ['refusal', 'cut'] } },
  'two framings': { times: 8, expects: { ...refused(400), endings: ['refusal', 'cut'] } },
  'broken framing': { times: 10, expects: { ...refused(400, 408, 413, 431), endings: ['refusal', 'cut'] } },
  'odd but allowed framing': { times: 4, expects: ANSWERED },
  'broken header lines': { times: 10, expects: { ...refused(400, 431), endings: ['refusal', 'cut'] } },
  'other hosts and absolute addresses': { times: 4, expects: asked(200, 400, 403, 404) },
  'a head that never ends': { times: 0.5, isSlow: true, expects: refused(408) },
  'a body that never ends': { times: 0.5, isSlow: true, expects: refused(408) },
  // To half-close is to leave, as with every server of Node.
  'half-closed': { times: 3, expects: LEFT },
  'gone in the middle of its request': {
    times: 4,
    expects: { ...asked(200, 400), endings: ['whole', 'refusal', 'cut'] },
  },
  'gone before the answer': { times: 3, expects: LEFT },
  Expect: { times: 3, expects: { ...ANSWERED, statuses: [200, 417], endings: ['whole', 'refusal'] } },
  pipelined: { times: 2, expects: { ...ANSWERED, dispatches: [1, SIZES.pipelinedMax] } },
  'a slow reader': { times: 0.5, isSlow: true, expects: ANSWERED },
  // Given up for its stillness, or by the time-out of the whole where the machine is slow to fill the sockets.
  'a reader who takes nothing': {
    times: 0.4,
    isSlow: true,
    expects: { statuses: [200], endings: ['cut', 'error event'], ...one('aborted estimated', 'failed estimated') },
  },
} as const satisfies Record<string, AttackClass>;

export const FROM_PROVIDERS = {
  'usage that cannot be': { times: 14, expects: { ...ANSWERED, ...one('completed estimated') } },
  'counts that JSON cannot say': {
    times: 3,
    expects: { ...ANSWERED, ...one('completed estimated', 'failed estimated') },
  },
  'usage twice, or contradicting': { times: 5, expects: ANSWERED },
  'content after the end': { times: 3, expects: { ...ANSWERED, ...one('completed reported') } },
  'half an event': { times: 3, expects: BROKEN },
  'cut at every byte': { times: 40, expects: ANSWERED },
  'thousands of tiny chunks': { times: 0.5, expects: ANSWERED },
  'letters cut in the middle': { times: 3, expects: ANSWERED },
  'mixed line ends': { times: 6, expects: ANSWERED },
  'a byte order mark': { times: 1, expects: ANSWERED },
  compressed: { times: 6, expects: ANSWERED },
  // What does not decode cannot be judged: it passes as it came.
  'broken compression': {
    times: 5,
    expects: {
      ...ANSWERED,
      ...one('completed partial', 'completed estimated'),
    },
  },
  // The numbers themselves are changed on the way; only the checksum tells.
  'compression with a false checksum': {
    times: 3,
    expects: { ...ANSWERED, ...one('completed partial', 'completed estimated') },
  },
  'a compression bomb': {
    times: 1,
    expects: {
      ...ANSWERED,
      statuses: [200, 502],
      endings: ['whole', 'refusal', 'error event'],
      ...one('completed estimated', 'failed estimated'),
    },
  },
  'an error with status 200': {
    times: 3,
    expects: { statuses: [200], endings: ['whole', 'error event'], ...one('failed none', 'failed estimated') },
  },
  'HTML with status 200': {
    times: 3,
    expects: { statuses: [200, 502], endings: ['whole', 'refusal', 'cut'], ...one('failed estimated') },
  },
  'events without end': {
    times: 0.3,
    isSlow: true,
    expects: { statuses: [200], endings: ['error event'], ...one('failed estimated', 'failed partial') },
  },
  'a line without end': { times: 2, expects: failed(502) },
  'a body without end': { times: 2, expects: failed(502) },
  'headers without end': { times: 2, expects: failed(502) },
  'interim answers': {
    times: 2,
    expects: TAKEN_OR_NOT,
  },
  'interim answers without end': { times: 0.3, isSlow: true, expects: failed(502, 504) },
  'wrong content-length': {
    times: 4,
    expects: {
      ...BROKEN,
      endings: ['whole', 'refusal', 'error event', 'cut'],
      ...one('completed reported', 'failed none', 'failed estimated'),
    },
  },
  'broken chunks': { times: 5, expects: BROKEN },
  'no HTTP': { times: 4, expects: failed(502) },
  redirects: { times: 4, expects: failed(502) },
  'odd statuses': {
    times: 6,
    expects: {
      statuses: [201, 204, 402, 418, 429, 499, 500, 502, 503, 599, 600, 999],
      endings: ['whole', 'refusal'],
      ...one('failed none', 'failed estimated'),
    },
  },
  // A framing header too many spoils the body behind a head that was fine.
  'odd headers': {
    times: 8,
    expects: { ...TAKEN_OR_NOT, ...one('completed reported', 'failed none', 'failed estimated') },
  },
  'an answer nobody asked for': {
    times: 4,
    expects: TAKEN_OR_NOT,
  },
  'a slow drip': { times: 1, expects: ANSWERED },
  silence: { times: 0.4, isSlow: true, expects: { ...failed(200, 504), endings: ['refusal', 'error event', 'cut'] } },
  'reset at every phase': {
    times: 12,
    expects: {
      ...BROKEN,
      endings: ['whole', 'refusal', 'error event', 'cut'],
      ...one('completed reported', 'failed none', 'failed estimated'),
    },
  },
  'names that no store takes': { times: 5, expects: ANSWERED },
  // A body nested deeper than any answer is an unreadable one.
  'deep or wide events': {
    times: 3,
    expects: { ...ANSWERED, ...one('completed reported', 'completed estimated', 'failed estimated') },
  },
} as const satisfies Record<string, AttackClass>;

export type FromCaller = keyof typeof FROM_CALLERS;
export type FromProvider = keyof typeof FROM_PROVIDERS;

/** What reaches statements and columns, where the engines differ: played on PostgreSQL as well. */
export const ON_POSTGRES: readonly (FromCaller | FromProvider)[] = [
  'names that no engine keeps',
  'SQL in every name',
  'SQL and nonsense in every query',
  'nonsense in cursors and event ids',
  'gone before the answer',
  'pipelined',
  'usage that cannot be',
  'usage twice, or contradicting',
  'names that no store takes',
  'deep or wide events',
  'odd headers',
];
