/**
 * One complete frame of an event stream as the event it is: its name and its data. Cutting a stream into frames is
 * sse-frames.ts. The usual form, an `event` line and a `data` line, is read without splitting.
 */

const BOM = '\ufeff';

export interface SseEvent {
  /** Null where the frame has no `event` line. */
  name: string | null;
  /** The `data` lines joined by LF; null when there is none. */
  data: string | null;
}

export function sseEvent(frame: Buffer): SseEvent {
  let text = frame.toString('utf8');
  if (text.startsWith(BOM)) text = text.slice(1);
  return usualForm(text) ?? byLines(text);
}

/** `event: NAME`, `data: …` and the blank line, all ended by LF; null for every other form. */
function usualForm(text: string): SseEvent | null {
  if (!text.startsWith('event: ') || text.includes('\r')) return null;
  const nameEnd = text.indexOf('\n');
  const end = text.length - 2;
  const start = nameEnd + 1;
  if (!text.startsWith('data: ', start) || text.indexOf('\n', start) !== end || text.charCodeAt(end + 1) !== 0x0a) {
    return null;
  }
  return { name: text.slice(7, nameEnd), data: text.slice(start + 6, end) };
}

function byLines(text: string): SseEvent {
  let name: string | null = null;
  let data: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const value = field(line, 'data');
    if (value !== null) data = data === null ? value : `${data}\n${value}`;
    else name = field(line, 'event') ?? name;
  }
  return { name, data };
}

function field(line: string, name: string): string | null {
  if (!line.startsWith(name)) return null;
  if (line.length === name.length) return '';
  if (line[name.length] !== ':') return null;
  return line.slice(line[name.length + 1] === ' ' ? name.length + 2 : name.length + 1);
}
