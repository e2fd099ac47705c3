/** A provider that does what the message says, as the one behind the recordings did: `[slow:6]`, `[status:400]`, else an answer. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const USAGE = {
  prompt_tokens: 103,
  completion_tokens: 20,
  total_tokens: 123,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens_details: { reasoning_tokens: 5 },
};

export async function startMarkerUpstream(): Promise<{ baseUrl: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const [said = ''] = [...body.matchAll(/\[(slow|status):(\d+)\]/g)].map(([whole]) => whole).slice(-1);
      const [, kind, number] = /\[(slow|status):(\d+)\]/.exec(said) ?? [];
      if (kind === 'status') {
        response.writeHead(Number(number), { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: { message: `mock error ${number}`, type: 'mock' } }));
        return;
      }
      const words =
        kind === 'slow' ? Array.from({ length: Number(number) }, (_, at) => `w${at} `) : ['Hello', ' from mock.'];
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const chunk = (rest: object): void =>
        void response.write(
          `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'mock-model', ...rest })}\n\n`,
        );
      const next = (at: number): void => {
        if (response.destroyed) return;
        if (at < words.length) {
          chunk({ choices: [{ index: 0, delta: { content: words[at] }, finish_reason: null }] });
          setTimeout(() => next(at + 1), kind === 'slow' ? 15 : 0);
          return;
        }
        chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
        chunk({ choices: [], usage: USAGE });
        response.end('data: [DONE]\n\n');
      };
      next(0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
