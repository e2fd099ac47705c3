/** Two buttons that put what is shown into a file. */
import { csvText, download, jsonText, type Line } from '../export-text.ts';

export function ExportButtons({ name, lines }: { name: string; lines: () => Line[] }) {
  return (
    <span class="exports">
      <button type="button" class="quiet" onClick={() => download(`${name}.csv`, 'text/csv', csvText(lines()))}>
        CSV
      </button>
      <button
        type="button"
        class="quiet"
        onClick={() => download(`${name}.json`, 'application/json', jsonText(lines()))}
      >
        JSON
      </button>
    </span>
  );
}
