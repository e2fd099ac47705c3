/** An answer for a tab that is not the Models tab: asked when it opens and when what is looked at changes, and again every few seconds. */
import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { messageOf } from '../problems.ts';

const AGAIN_MS = 5_000;
/** What takes long is asked the less often. */
const AGAIN_SHARE = 4;

export interface Asked<Answer> {
  answer: Signal<Answer | null>;
  problem: Signal<string>;
  again(): Promise<void>;
}

export function useAsked<Answer>(key: string, ask: () => Promise<Answer>): Asked<Answer> {
  const answer = useSignal<Answer | null>(null);
  const problem = useSignal('');
  const asked = useRef(0);
  const again = async (): Promise<void> => {
    const id = ++asked.current;
    try {
      const found = await ask();
      // A later question makes this answer unwanted, also where it comes last.
      if (id !== asked.current) return;
      answer.value = found;
      problem.value = '';
    } catch (error) {
      if (id === asked.current) problem.value = messageOf(error);
    }
  };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isLeft = false;
    // One after the other: an answer that takes longer than the pause would never be the wanted one.
    const goOn = async (): Promise<void> => {
      const startedAt = performance.now();
      if (!document.hidden) await again();
      const tookMs = performance.now() - startedAt;
      if (!isLeft) timer = setTimeout(goOn, Math.max(AGAIN_MS, tookMs * AGAIN_SHARE));
    };
    void goOn();
    return () => {
      isLeft = true;
      clearTimeout(timer);
    };
  }, [key]);
  return { answer, problem, again };
}
