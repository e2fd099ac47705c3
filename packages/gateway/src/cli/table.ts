/** Tables for people: pure text from texts. Names in them come from callers, so nothing in a cell may steer a terminal. */

export interface Column {
  title: string;
  align: 'left' | 'right';
}

const GAP = '  ';
const CELL_LENGTH_MAX = 60;

/** Titles, rows, and, after a rule, a last row of sums. Ends with a line end. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly string[][],
  sums: string[] | null = null,
): string {
  const titles = columns.map(({ title }) => title);
  const shown = [titles, ...rows, ...(sums === null ? [] : [sums])].map((cells) => cells.map(cellText));
  const widths = columns.map((_, index) => Math.max(...shown.map((cells) => lengthOf(cells[index] ?? ''))));
  const lines = shown.map((cells) => lineOf(cells, columns, widths));
  const rule = widths.map((width) => '─'.repeat(width)).join(GAP);
  lines.splice(1, 0, rule);
  if (sums !== null) lines.splice(-1, 0, rule);
  return `${lines.join('\n')}\n`;
}

function lineOf(cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  const padded = columns.map(({ align }, index) => {
    const cell = cells[index] ?? '';
    const padding = ' '.repeat(widths[index]! - lengthOf(cell));
    return align === 'right' ? padding + cell : cell + padding;
  });
  return padded.join(GAP).trimEnd();
}

/** One line, not too long, and without anything that moves the cursor, colours, or turns the direction of text. */
export function cellText(text: string): string {
  const safe = plainText(text);
  return lengthOf(safe) <= CELL_LENGTH_MAX ? safe : `${[...safe].slice(0, CELL_LENGTH_MAX - 1).join('')}…`;
}

/** Control and direction characters as `\u{…}`. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function lengthOf(text: string): number {
  return [...text].length;
}
