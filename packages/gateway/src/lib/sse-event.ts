/**
 * One complete frame of an event stream as the event it is: its name and its data. Cutting a stream into frames is
 * sse-frames.ts. The usual form, one `data` line behind an `event` line or none, is read without splitting.
 */

const BOM = '\ufeff';
const LF = 0x0a;
const CR = 0x0d;

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

/** An `event` line or none, one `data` line, and the blank line, ended by LF or CRLF; null for every other form. */
function usualForm(text: string): SseEvent | null {
  let name: string | null = null;
  let start = 0;
  if (text.startsWith('event: ')) {
    const end = text.indexOf('\n');
    if (end < 0) return null;
    name = text.slice(7, lineEnd(text, end));
    start = end + 1;
  }
  if (!text.startsWith('data: ', start)) return null;
  const end = text.indexOf('\n', start);
  if (end < 0 || !isBlank(text, end)) return null;
  const data = text.slice(start + 6, lineEnd(text, end));
  return data.includes('\r') || name?.includes('\r') ? null : { name, data };
}

/** Where the line ends whose LF is known. */
function lineEnd(text: string, lf: number): number {
  return text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
}

/** Nothing but line ends from there on. */
function isBlank(text: string, from: number): boolean {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== LF && code !== CR) return false;
  }
  return true;
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
