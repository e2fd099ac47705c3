/** A progress bar for long work: on stderr, only where that is a terminal, redrawn at most ten times a second. */
import { countText } from './format.ts';
import type { Surroundings } from './surroundings.ts';

const WIDTH = 30;
const REDRAW_MS = 100;

export interface ProgressBar {
  show(step: string, done: number, total: number): void;
  /** Takes the bar away again. */
  end(): void;
}

export function progressBar(
  { stderr, stderrIsTerminal }: Pick<Surroundings, 'stderr' | 'stderrIsTerminal'>,
  now: () => number = () => performance.now(),
): ProgressBar {
  if (!stderrIsTerminal) return { show: () => {}, end: () => {} };
  let step = '';
  let stepAt = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  return {
    show: (nextStep, done, total) => {
      if (nextStep !== step) {
        step = nextStep;
        stepAt = now();
        drawnAt = Number.NEGATIVE_INFINITY;
      }
      if (now() - drawnAt < REDRAW_MS && done < total) return;
      drawnAt = now();
      stderr(`\r\x1b[K${barText(step, done, total, now() - stepAt)}`);
    },
    end: () => stderr('\r\x1b[K'),
  };
}

/** `copying [=====     ] 50 % 1,000 of 2,000, 3 s left`. */
export function barText(step: string, done: number, total: number, elapsedMs: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const bar = '='.repeat(Math.round(share * WIDTH)).padEnd(WIDTH);
  const leftMs = share === 0 ? null : (elapsedMs / share) * (1 - share);
  const left = leftMs === null || share === 1 ? '' : `, ${Math.ceil(leftMs / 1000)} s left`;
  return `${step} [${bar}] ${Math.floor(share * 100)} % ${countText(done)} of ${countText(total)}${left}`;
}
