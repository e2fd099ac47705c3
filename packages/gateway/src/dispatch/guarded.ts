/**
 * The callbacks of an exchange, made safe to be called from a socket's parser: what one of them throws is a bug of ours,
 * and there it would be swallowed (the dispatch would never end) or end the program. It goes to the dispatch instead,
 * which settles.
 */
import type { UpstreamHandlers } from '../providers/transport.ts';

export function guarded(handlers: UpstreamHandlers, onBug: (bug: unknown) => void): UpstreamHandlers {
  const run = (step: () => void): void => {
    try {
      step();
    } catch (bug) {
      onBug(bug);
    }
  };
  return {
    sent: () => run(() => handlers.sent()),
    head: (status, headers) => run(() => handlers.head(status, headers)),
    chunk: (bytes) => run(() => handlers.chunk(bytes)),
    end: (trailers) => run(() => handlers.end(trailers)),
    failed: (kind) => run(() => handlers.failed(kind)),
  };
}
