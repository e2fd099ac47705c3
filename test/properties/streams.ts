/**
 * Arbitrary chat streams as a provider may spell them: any line ends, comments, a byte order mark, data over several lines,
 * fields nobody knows, JSON with space in it, any text, any counts. The same story in ever another writing: what it says
 * stands beside it, worked out apart from the code under test.
 */
import fc from 'fast-check';

export interface Counts {
  input: number;
  output: number;
  cacheRead: number;
  reasoning: number;
}

export interface Spelling {
  bytes: Buffer;
  /** Without the events that hold usage and no choices. */
  stripped: Buffer;
  counts: Counts;
  /** UTF-8 bytes of generated text; null where the data goes over several lines, which an estimate may misjudge. */
  textBytes: number | null;
  /** Where the first byte of `[DONE]`'s event is. */
  lastEventAt: number;
}

interface Event {
  data: object | '[DONE]';
  isUsageOnly: boolean;
}

/** How one event is written: line ends, gaps and extra lines are taken from these lists in turn. */
interface Style {
  ends: readonly End[];
  gaps: readonly string[];
  extras: readonly string[];
  space: boolean;
}

type End = '\n' | '\r\n' | '\r';
/** A gap at which the data goes on in a line of its own. */
const BREAK = 'BREAK';
const ENDS: readonly End[] = ['\n', '\r\n', '\r'];
const GAPS = ['', '', '', ' ', '\t', '  ', BREAK];
const EXTRAS = [
  '',
  '',
  '',
  ': a note',
  ':',
  'event: message',
  'id: 7',
  'retry: 10',
  'unknown: {"usage":{}}',
  ': data: [DONE]',
];

const count = fc.integer({ min: 0, max: 300_000_000 });
const counts: fc.Arbitrary<Counts> = fc
  .record({ input: count, output: count, cacheRead: count, share: fc.double({ min: 0, max: 1, noNaN: true }) })
  .map(({ share, ...known }) => ({ ...known, reasoning: Math.floor(known.output * share) }));
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('data: [DONE]\n\n', '"usage":{"prompt_tokens":1}', '\r\n\r\n', '\ufeff', '东京 🜁', '{}}{'),
);
const style: fc.Arbitrary<Style> = fc.record({
  ends: fc.oneof(
    fc.constantFrom(...ENDS).map((end) => [end]),
    fc.array(fc.constantFrom(...ENDS), { minLength: 1, maxLength: 9 }),
  ),
  gaps: fc.oneof(fc.constant(['']), fc.array(fc.constantFrom(...GAPS), { minLength: 1, maxLength: 11 })),
  extras: fc.array(fc.constantFrom(...EXTRAS), { minLength: 1, maxLength: 7 }),
  space: fc.boolean(),
});

/** A whole stream. Where usage stands: in a chunk of its own, on the last choice, or on every chunk, growing. */
export const spellings: fc.Arbitrary<Spelling> = fc
  .record({
    counts,
    texts: fc.array(text, { maxLength: 5 }),
    place: fc.constantFrom('own', 'own', 'last', 'every'),
    order: fc.boolean(),
    style,
    hasMark: fc.boolean(),
    isUnended: fc.boolean(),
  })
  .map((story) => {
    const events = eventsOf(story.counts, story.texts, story.place as 'own' | 'last' | 'every', story.order);
    const writer = new Writer(story.style);
    const written = events.map((event, place) =>
      writer.event(event, { isLast: place === events.length - 1 && story.isUnended }),
    );
    const mark = story.hasMark ? '\ufeff' : '';
    const kept = written.filter((_, place) => !events[place]!.isUsageOnly);
    return {
      bytes: Buffer.from(mark + written.join('')),
      stripped: Buffer.from(mark + kept.join('')),
      counts: story.counts,
      textBytes: story.style.gaps.includes(BREAK) ? null : bytesOf(story.texts),
      lastEventAt: Buffer.byteLength(mark + written.slice(0, -1).join('')),
    };
  });

/** Sizes of the pieces that a stream arrives in, used in turn. */
export const cuts = fc.oneof(
  fc.constant([1]),
  fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
  fc.constant([Number.POSITIVE_INFINITY]),
);

export function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = Math.min(bytes.length, at + sizes[turn % sizes.length]!);
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
}

function eventsOf(known: Counts, texts: readonly string[], place: 'own' | 'last' | 'every', order: boolean): Event[] {
  const whole = usageOf(known, order);
  const growing = (step: number): object =>
    usageOf({ ...known, output: Math.floor((known.output * step) / (texts.length + 1)), reasoning: 0 }, order);
  const chunk = (choices: object[], usage: object | null = null): Event => ({
    data: { id: 'c1', object: 'chat.completion.chunk', model: 'm', choices, ...(usage === null ? {} : { usage }) },
    isUsageOnly: choices.length === 0 && usage !== null,
  });
  const delta = (content: string): object => ({ index: 0, delta: { content }, finish_reason: null });
  const stop = { index: 0, delta: {}, finish_reason: 'stop' };
  return [
    ...texts.map((content, step) => chunk([delta(content)], place === 'every' ? growing(step) : null)),
    chunk([stop], place === 'own' ? null : whole),
    ...(place === 'own' ? [chunk([], whole)] : []),
    { data: '[DONE]', isUsageOnly: false },
  ];
}

function usageOf({ input, output, cacheRead, reasoning }: Counts, order: boolean): object {
  const fields: [string, unknown][] = [
    ['prompt_tokens', input + cacheRead],
    ['completion_tokens', output],
    ['total_tokens', input + cacheRead + output],
    ['prompt_tokens_details', { cached_tokens: cacheRead }],
    ['completion_tokens_details', { reasoning_tokens: reasoning }],
    ['unheard_of', { prompt_tokens: -1 }],
  ];
  return Object.fromEntries(order ? fields : fields.toReversed());
}

class Writer {
  readonly #style: Style;
  #end = 0;
  #gap = 0;
  #extra = 0;

  constructor(style: Style) {
    this.#style = style;
  }

  event({ data }: Event, { isLast }: { isLast: boolean }): string {
    const prefix = this.#style.space ? 'data: ' : 'data:';
    const [first, ...more] = data === '[DONE]' ? [data] : this.#spaced(data).split(BREAK);
    const lines = [this.#nextExtra(), prefix + first, ...more.map((part) => prefix + part), this.#nextExtra()];
    const named = lines.filter((line) => line !== '');
    let written = '';
    let before: End = '\n';
    for (const line of named) {
      before = this.#nextEnd();
      written += line + before;
    }
    if (isLast) return written;
    // An LF right behind a CR would be the other half of one line end, not a blank line.
    const blank = this.#nextEnd();
    return written + (before === '\r' && blank === '\n' ? '\r\n' : blank);
  }

  #spaced(data: object): string {
    const words = JSON.stringify(data).match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g)!;
    const { gaps } = this.#style;
    return words.map((word) => word + gaps[this.#gap++ % gaps.length]!).join('');
  }

  #nextEnd(): End {
    const { ends } = this.#style;
    return ends[this.#end++ % ends.length]!;
  }

  #nextExtra(): string {
    const { extras } = this.#style;
    return extras[this.#extra++ % extras.length]!;
  }
}
