/**
 * Server-sent events out of a body, as the HTML standard reads them: any line end, any cut, comments, several `data`
 * lines. Only this package's own: it must have no dependencies, and the gateway's parser is a library.
 */

export interface ServerSentEvent {
  event: string;
  data: string;
  /** The last id seen, this event's or an earlier one's; the place to resume from. */
  lastEventId: string;
  /** The server's wish for the pause before a reconnect, from now on; null when it has none. */
  retryMs: number | null;
}

/**
 * One event at a time. An event that the body's end cuts off is dropped, as the standard says. One without data is handed
 * out only when it brings a new id: the standard fires no event for it, but resumes there.
 */
export async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let event = '';
  let lines: string[] = [];
  let lastEventId = '';
  let isNewId = false;
  let retryMs: number | null = null;
  for await (const line of textLines(chunks)) {
    if (line === '') {
      if (lines.length > 0 || isNewId)
        yield { event: event || 'message', data: lines.join('\n'), lastEventId, retryMs };
      event = '';
      lines = [];
      isNewId = false;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') lines.push(value);
    else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) {
      isNewId = value !== lastEventId;
      lastEventId = value;
    } else if (field === 'retry' && /^\d+$/.test(value)) retryMs = Number(value);
  }
}

async function* textLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  // Takes the byte order mark away and holds a character whose bytes are cut.
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A carriage return at the very end may be half of a line end.
    const parts = rest.split(/\r\n|\n|\r(?!$)/);
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest.endsWith('\r')) yield rest.slice(0, -1);
}
