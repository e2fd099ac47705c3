/**
 * Requests that never reach a route: what is no HTTP, what no path can be, what asks the server to expect something it does
 * not know, and what names no host or two. Node and the router answer these with texts of their own or with none; here they
 * get our error shape. No credential has been looked at by then, so nothing is said but what was wrong.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import { SECURITY_HEADERS } from './answer-sink.ts';
import { bodyOf } from './errors.ts';

/** How long a refused peer may take to read why. */
const LINGER_MS = 1000;

const MALFORMED: Readonly<Record<string, [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request header fields too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout'],
};

/** The response that a socket carries now: Node names it here and nowhere else, and reads it so itself. */
type HttpSocket = Socket & { _httpMessage?: ServerResponse | null };

/**
 * What is no HTTP request, too large a head, or too slow a one: the socket is all there is. Nothing is written into an
 * answer that is on its way on the same socket.
 */
export function refuseMalformed(error: Error & { code?: string }, socket: HttpSocket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent) {
    // Also a peer that was refused, reads nothing and does not close: it comes here again when its time for a head is up.
    socket.destroy();
    return;
  }
  const [status, message] = MALFORMED[error.code ?? ''] ?? [400, 'Malformed HTTP request'];
  const body = bodyText(message);
  socket.end(
    `HTTP/1.1 ${status} ${message}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // Where nobody reads the rest of its request, a peer's own end would never be seen.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** A path with broken escapes, or with a part longer than any id of ours; foreign text is not repeated. */
export function refuseUnroutable(error: { code: string }, _request: FastifyRequest, reply: FastifyReply): void {
  const isLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
  const message = isLong
    ? 'A part of the path is longer than any id.'
    : 'The path is not a valid one: its escapes are broken.';
  reply
    .headers(SECURITY_HEADERS)
    .code(isLong ? 414 : 400)
    .send(bodyOf(new GatewayError('invalid_request', message)));
}

/** `Expect` with anything but `100-continue`, which Node would refuse without a word. */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(417, {
    ...SECURITY_HEADERS,
    'content-type': 'application/json; charset=utf-8',
    connection: 'close',
  });
  response.end(bodyText('The header `Expect` may only say `100-continue`.'));
}

/** HTTP/1.1 wants exactly one: two readers of a request must not see two hosts. Null: there is one. */
export function hostRefusal({ rawHeaders, httpVersion }: IncomingMessage): GatewayError | null {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion !== '1.1')) return null;
  const found = hosts === 0 ? 'names no host' : 'names more than one host';
  return new GatewayError('invalid_request', `The request ${found}; send one \`Host\` header.`);
}

function bodyText(message: string): string {
  return JSON.stringify(bodyOf(new GatewayError('invalid_request', message)));
}
