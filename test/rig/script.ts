/**
 * What the scripted provider does is written in the model's name, so that any caller can ask for it: words joined by `+`,
 * each with numbers after dashes. `ok-50+gap-20ms+no-usage` is 50 content chunks, 20 ms apart, and no usage reported.
 */

/** Where an answer stops until it is released; `hang` stops for good. */
export type HoldPoint = 'head' | 'mid' | 'usage' | 'end';

export interface Script {
  chunks: number;
  /** Milliseconds before the head, and between chunks. */
  waitMs: number;
  gapMs: number;
  /** `never` reports none, `always` reports unasked, `every` grows with each chunk, `last` rides on the finishing chunk. */
  usage: 'asked' | 'never' | 'always' | 'every' | 'last' | 'zero';
  status: number;
  retryAfterSeconds: number | null;
  hold: HoldPoint | null;
  hang: boolean;
  /** `reset`: the connection breaks. `truncate`: the answer stops early and the connection closes. */
  breaks: 'reset' | 'truncate' | null;
  /** Break in the middle rather than before the head. */
  breaksMid: boolean;
  splitBytes: boolean;
  refusesStreamOptions: boolean;
  tools: boolean;
}

const HOLDS: Readonly<Record<string, HoldPoint>> = { head: 'head', mid: 'mid', usage: 'usage', end: 'end' };

/** Throws on a word that is not in the language: a typing mistake must not become a plain `ok`. */
export function parseScript(model: string): Script {
  const script: Script = {
    chunks: 3,
    waitMs: 0,
    gapMs: 0,
    usage: 'asked',
    status: 200,
    retryAfterSeconds: null,
    hold: null,
    hang: false,
    breaks: null,
    breaksMid: false,
    splitBytes: false,
    refusesStreamOptions: false,
    tools: false,
  };
  for (const word of model.split('+')) applyWord(script, word);
  return script;
}

function applyWord(script: Script, word: string): void {
  // Only a name, for tests of where names end up.
  if (word.startsWith('<')) return;
  const number = Number(/-(\d+)(?:ms)?$/.exec(word)?.[1] ?? Number.NaN);
  if (/^ok(-\d+)?$/.test(word)) {
    if (!Number.isNaN(number)) script.chunks = number;
    return;
  }
  if (/^gap-\d+ms$/.test(word)) script.gapMs = number;
  else if (/^wait-\d+ms$/.test(word)) script.waitMs = number;
  else if (/^status-\d{3}$/.test(word)) script.status = number;
  else if (/^retry-after-\d+$/.test(word)) script.retryAfterSeconds = number;
  else if (/^hold-(head|mid|usage|end)$/.test(word)) script.hold = HOLDS[word.slice(5)]!;
  else if (/^hang-(head|mid|usage|end)$/.test(word)) {
    script.hold = HOLDS[word.slice(5)]!;
    script.hang = true;
  } else if (/^usage-(always|every|last|zero)$/.test(word)) script.usage = word.slice(6) as Script['usage'];
  else applyFlag(script, word);
}

function applyFlag(script: Script, word: string): void {
  switch (word) {
    case 'no-usage':
      script.usage = 'never';
      return;
    case 'reset':
    case 'reset-mid':
      script.breaks = 'reset';
      script.breaksMid = word === 'reset-mid';
      return;
    case 'truncate':
      script.breaks = 'truncate';
      script.breaksMid = true;
      return;
    case 'split-bytes':
      script.splitBytes = true;
      return;
    case 'refuse-stream-options':
      script.refusesStreamOptions = true;
      return;
    case 'tools':
      script.tools = true;
      return;
    default:
      throw new Error(`the scripted provider does not know the word '${word}'`);
  }
}
