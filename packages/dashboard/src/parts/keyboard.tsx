/** What keys do, and the card that says so. A key that is typed into a field is only that. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { look, looked, SHOWN } from '../address.ts';

const isOpen = signal(false);

/** Where a browser keeps that single characters do nothing here: who speaks to a computer presses keys without meaning to. */
const STORED = 'characters';
const areOn = signal(stored((storage) => storage.getItem(STORED)) !== 'false');

/** A browser may keep nothing for us; then it holds until the page is closed. */
function stored<Answer>(use: (storage: Storage) => Answer): Answer | null {
  try {
    return use(localStorage);
  } catch {
    return null;
  }
}

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

/** For whoever has turned `?` off. */
export function KeysButton() {
  return (
    <button type="button" class="skip" onClick={open}>
      Keyboard
    </button>
  );
}

function open(): void {
  isOpen.value = true;
}

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
    (event.key.length === 1 && !areOn.peek()) ||
    event.ctrlKey ||
    event.metaKey ||
    document.querySelector('dialog[open]') !== null
  )
    return;
  if (event.key === '/') {
    event.preventDefault();
    document.querySelector<HTMLInputElement>('#filter')?.select();
  } else if (event.key === '?') open();
  else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') step(event, event.key === 'ArrowDown' ? 1 : -1);
  else if (event.key === 'Enter' && event.altKey && target.matches('.name')) {
    // A browser makes no click of it.
    target.dispatchEvent(new MouseEvent('click', { altKey: true, bubbles: true }));
  } else {
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
    <dialog ref={dialog} class="keys-card" aria-label="Keyboard" onClose={close}>
      <h2>Keyboard</h2>
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
      <label>
        <input
          type="checkbox"
          checked={areOn.value}
          onChange={({ currentTarget: { checked } }) => {
            areOn.value = checked;
            stored((storage) => storage.setItem(STORED, String(checked)));
          }}
        />{' '}
        Single characters do this
      </label>
      <button type="button" class="button" onClick={close}>
        Close
      </button>
    </dialog>
  );
}
