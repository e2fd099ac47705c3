/** A button for what cannot be taken back: the first click asks, the second does, and after a while it forgets the first. */
import { useEffect, useState } from 'preact/hooks';

const SURE_MS = 4_000;

export function SureButton({ label, sure, act }: { label: string; sure: string; act: () => Promise<void> }) {
  const [isSure, setSure] = useState(false);
  useEffect(() => {
    if (!isSure) return;
    const timer = setTimeout(() => setSure(false), SURE_MS);
    return () => clearTimeout(timer);
  }, [isSure]);
  return (
    <button
      type="button"
      class={isSure ? 'button sure' : 'button'}
      onClick={() => {
        setSure(!isSure);
        if (isSure) void act();
      }}
    >
      {isSure ? sure : label}
    </button>
  );
}
