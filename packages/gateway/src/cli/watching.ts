/** `--watch`: an answer shown again whenever the ledger has something new, until Ctrl-C. */
import type { Source } from './source.ts';
import type { Surroundings } from './surroundings.ts';

export interface Shown {
  text: string;
  /** The answer holds every event up to this one. */
  asOfSeq: number;
}

const CLEAR_SCREEN = '\x1b[2J\x1b[H';

/** Redraws a terminal; writes a new table (or a line of JSON) elsewhere, and only when something changed. */
export async function watch(
  source: Pick<Source, 'changes'>,
  surroundings: Surroundings,
  { json, answer }: { json: boolean; answer: () => Promise<Shown> },
): Promise<void> {
  const { stdout, isTerminal, onInterrupt } = surroundings;
  const stop = new AbortController();
  onInterrupt(() => stop.abort());
  let shown: Shown = { text: '', asOfSeq: 0 };
  const redraw = async () => {
    const next = await answer();
    if (next.text !== shown.text) stdout(isTerminal && !json ? CLEAR_SCREEN + next.text : next.text);
    shown = next;
  };
  await redraw();
  for await (const seq of source.changes(shown.asOfSeq, stop.signal)) {
    // After a burst the first answer holds all of it.
    if (seq === null || seq > shown.asOfSeq) await redraw();
  }
}
