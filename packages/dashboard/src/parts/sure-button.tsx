/** A button for what cannot be taken back: the first click asks, the second does, and after a while it forgets the first. */
import { useEffect, useRef, useState } from 'preact/hooks';

const SURE_MS = 4_000;
/** As long as most systems wait for the second half of a double click. */
const DOUBLE_MS = 500;

interface SureButtonProps {
  label: string;
  sure: string;
  /** What it is done to: a list has many such buttons, and who hears them hears them one by one. */
  what: string;
  act: () => Promise<void>;
}

export function SureButton({ label, sure, what, act }: SureButtonProps) {
  const [isSure, setSure] = useState(false);
  const askedAt = useRef(0);
  useEffect(() => {
    if (!isSure) return;
    const timer = setTimeout(() => setSure(false), SURE_MS);
    return () => clearTimeout(timer);
  }, [isSure]);
  const click = ({ detail, timeStamp }: MouseEvent): void => {
    // Whoever clicks twice out of habit has not read what was asked.
    if (isSure && detail !== 1 && timeStamp - askedAt.current < DOUBLE_MS) return;
    askedAt.current = timeStamp;
    setSure(!isSure);
    if (isSure) void act();
  };
  const shown = isSure ? sure : label;
  return (
    <button
      type="button"
      class={isSure ? 'button sure' : 'button'}
      aria-label={`${shown} ${what}`}
      onClick={click}
      // A key that is held down clicks again and again.
      onKeyDown={(event) => event.repeat && event.preventDefault()}
    >
      {shown}
    </button>
  );
}
