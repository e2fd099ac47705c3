/** A number that is shown rounded and stands in the page exactly: `<data value>`, which tests, scripts and copies read. */
import type { ComponentChildren } from 'preact';

export function Exact({ value, children }: { value: number | bigint | null; children: ComponentChildren }) {
  return value === null ? <span class="nothing">{children}</span> : <data value={String(value)}>{children}</data>;
}
