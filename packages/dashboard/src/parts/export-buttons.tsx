/** Two buttons that put what is shown into a file. */
import { csvText, datedName, download, jsonText, type Line } from '../export-text.ts';
import type { LiveView } from '../view.ts';

interface ExportProps {
  name: string;
  /** The answer that the lines are made of: what is looked at may be another range already. */
  view: Pick<LiveView, 'fromMs' | 'toMs' | 'zone'>;
  lines: () => Line[];
}

export function ExportButtons({ name, view, lines }: ExportProps) {
  const dated = datedName(name, view, view.zone);
  return (
    <span class="exports">
      <button type="button" class="quiet" onClick={() => download(`${dated}.csv`, 'text/csv', csvText(lines()))}>
        CSV
      </button>
      <button
        type="button"
        class="quiet"
        onClick={() => download(`${dated}.json`, 'application/json', jsonText(lines()))}
      >
        JSON
      </button>
    </span>
  );
}
