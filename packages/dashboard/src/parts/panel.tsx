/** A list of a tab: its title, what went wrong, what to say where there is nothing, and its table in a frame that scrolls. */
import type { List } from '@weighbridge/client';
import type { ComponentChildren } from 'preact';
import { Problem } from './problem.tsx';

interface PanelProps<Item> {
  title: string;
  answer: List<Item> | null;
  problem: string;
  empty: string;
  /** Beside the title. */
  actions?: ComponentChildren;
  children: (answer: List<Item>) => ComponentChildren;
}

export function Panel<Item>({ title, answer, problem, empty, actions, children }: PanelProps<Item>) {
  return (
    <section class="card panel" aria-label={title}>
      <header class="bar">
        <h2>{title}</h2>
        {actions}
      </header>
      <Problem text={problem} />
      {answer === null ? (
        <p class="note">{problem === '' ? 'Asking…' : ''}</p>
      ) : answer.data.length === 0 ? (
        <p class="note">{empty}</p>
      ) : (
        <section class="scroll" tabIndex={0} aria-label={title}>
          {children(answer)}
        </section>
      )}
    </section>
  );
}
