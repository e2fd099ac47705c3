/** What keys do, and the card that says so. A key that is typed into a field is only that. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { look, looked } from '../address.ts';
import { SHOWN } from './head.tsx';

const isOpen = signal(false);

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Filter'],
  ['↑ ↓', 'From row to row'],
  ['Enter', 'Filter by the row, or open the dispatch'],
  ['Alt Enter', 'Leave the row out'],
  ['← →', 'From bar to bar, in the chart'],
  ['Esc', 'Close, or take the filters away'],
  ['1 … 6', 'To a tab'],
  ['?', 'This card'],
];

export function Keyboard() {
  useEffect(() => {
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  return isOpen.value ? <Card /> : null;
}

function press(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.getAttribute('type') !== 'checkbox';
  if (event.key === 'Escape') back(target, isTyping);
  if (
    event.key === 'Escape' ||
    isTyping ||
    event.ctrlKey ||
    event.metaKey ||
    document.querySelector('dialog[open]') !== null
  )
    return;
  if (event.key === '/') {
    event.preventDefault();
    document.querySelector<HTMLInputElement>('#filter')?.select();
  } else if (event.key === '?') isOpen.value = true;
  else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') step(event, event.key === 'ArrowDown' ? 1 : -1);
  else if (event.key === 'Enter' && event.altKey && target.matches('.name')) {
    // A browser makes no click of it.
    target.dispatchEvent(new MouseEvent('click', { altKey: true, bubbles: true }));
  } else if (/^[1-6]$/.test(event.key)) {
    const tab = SHOWN[Number(event.key) - 1];
    if (tab !== undefined) look({ tab, dispatchId: null });
  }
}

function back(target: HTMLElement, isTyping: boolean): void {
  if (document.querySelector('dialog[open]') !== null) return;
  if (isTyping) target.blur();
  else if (looked.peek().filters.length > 0) look({ filters: [] });
}

/** Rows are their first buttons: one table after the other. */
function step(event: KeyboardEvent, by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('tbody tr .name')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[at < 0 ? 0 : at + by];
  if (next === undefined || (at < 0 && by < 0)) return;
  event.preventDefault();
  next.focus();
}

function Card() {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = (): void => {
    isOpen.value = false;
  };
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="keys-card" aria-label="Keys" onClose={close}>
      <h2>Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="button" onClick={close}>
        Close
      </button>
    </dialog>
  );
}
