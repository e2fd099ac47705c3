/** Puts a text that stands in the page on the clipboard. */
import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';

/** `what` it is, for whoever hears the button; `shown` is where it stands. */
export function CopyButton({
  text,
  what,
  shown,
}: {
  text: string;
  what: string;
  shown: RefObject<HTMLElement | null>;
}) {
  const isCopied = useSignal(false);
  const copy = async (): Promise<void> => {
    // Browsers give no clipboard to a page that came over plain HTTP from another machine: then it is selected, to be copied.
    if (navigator.clipboard === undefined) return getSelection()?.selectAllChildren(shown.current!);
    await navigator.clipboard.writeText(text);
    isCopied.value = true;
    setTimeout(() => {
      isCopied.value = false;
    }, 2_000);
  };
  return (
    <button type="button" class="button" aria-label={`Copy ${what}`} onClick={() => void copy().catch(() => {})}>
      {isCopied.value ? 'Copied' : 'Copy'}
    </button>
  );
}
