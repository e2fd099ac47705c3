/**
 * The upstream of the benchmark: a raw-socket HTTP server that answers chat completions as cheaply as Node can, so that
 * the proxies before it are what is measured. `stream: true` gives 50 chunks with `gapMs` between them (a query on the
 * path: `/v1/gap-5/chat/completions`), a usage chunk and `[DONE]`. `/v1/wait-50/…` waits before it answers. It keeps the
 * dispatch ids it was asked with, one a line under `/journal`: what a ledger is compared with.
 */
import { createServer, type Socket } from 'node:net';

const CHUNKS = 50;
const USAGE = { prompt_tokens: 63, completion_tokens: 50, total_tokens: 113 };

const answerBody = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'bench',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'word '.repeat(CHUNKS) },
      finish_reason: 'stop',
      logprobs: null,
    },
  ],
  usage: USAGE,
});
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answerBody.length}\r\n\r\n${answerBody}`,
);
const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
);
const CHUNK = framed(event([{ index: 0, delta: { content: 'word ' }, finish_reason: null }]));
const LAST = Buffer.concat([
  framed(event([{ index: 0, delta: {}, finish_reason: 'stop' }])),
  framed(event([], USAGE)),
  framed('data: [DONE]\n\n'),
  Buffer.from('0\r\n\r\n'),
]);
const BLANK = Buffer.from('\r\n\r\n');
const STREAM_FLAG = Buffer.from('"stream":true');

function event(choices: unknown[], usage?: object): string {
  const chunk = {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'bench',
    choices,
  };
  return `data: ${JSON.stringify(usage === undefined ? chunk : { ...chunk, usage })}\n\n`;
}

function framed(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

const dispatchIds: string[] = [];

function receive(socket: Socket, head: string, body: Buffer): void {
  if (head.startsWith('GET /journal ')) {
    const text = dispatchIds.join('\n');
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    return;
  }
  dispatchIds.push(/\r\nx-client-request-id: *([^\r]*)/i.exec(head)?.[1] ?? '');
  const wait = /\/wait-(\d+)\//.exec(head);
  if (wait === null) answer(socket, head, body);
  else setTimeout(answer, Number(wait[1]), socket, head, body);
}

function answer(socket: Socket, head: string, body: Buffer): void {
  if (socket.destroyed) return;
  if (body.indexOf(STREAM_FLAG) < 0) {
    socket.write(ANSWER);
    return;
  }
  const gap = /\/gap-(\d+)\//.exec(head);
  const gapMs = gap === null ? 0 : Number(gap[1]);
  socket.write(STREAM_HEAD);
  let sent = 0;
  const step = (): void => {
    if (socket.destroyed) return;
    socket.write(CHUNK);
    if (++sent === CHUNKS) socket.write(LAST);
    else if (gapMs > 0) setTimeout(step, gapMs);
    else setImmediate(step);
  };
  step();
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer | null = null;
  socket.on('data', (bytes: Buffer) => {
    let buffer = pending === null ? bytes : Buffer.concat([pending, bytes]);
    pending = null;
    while (buffer.length > 0) {
      const at = buffer.indexOf(BLANK);
      const head = at < 0 ? '' : buffer.toString('latin1', 0, at);
      const end = at + 4 + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (at < 0 || buffer.length < end) {
        pending = buffer;
        return;
      }
      receive(socket, head, buffer.subarray(at + 4, end));
      buffer = buffer.subarray(end);
    }
  });
  socket.on('error', () => socket.destroy());
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  console.log(`upstream listening on http://127.0.0.1:${address.port}`);
});
