/** The headings of a list. */

/** A label, and how its column stands: `text` to the left, `minor` not on small screens, `sr` only read aloud. */
export type Heading = readonly [label: string, kind?: string];

export function Headings({ of }: { of: readonly Heading[] }) {
  return (
    <thead>
      <tr>
        {of.map(([label, kind]) => (
          <th key={label} scope="col" class={kind === 'sr' ? '' : kind}>
            <span class={kind === 'sr' ? kind : ''}>{label}</span>
          </th>
        ))}
      </tr>
    </thead>
  );
}
