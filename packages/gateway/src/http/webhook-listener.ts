/**
 * A receiver to try webhooks with: says of each message what came and whether its signature holds, and answers as it is told.
 * Only for this machine; `webhooks listen` prints what it says.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { whyNotVerified } from '@weighbridge/protocol/webhook';

const BODY_BYTES_MAX = 8 * 1024 * 1024;

export interface HeardMessage {
  at: string;
  id: string | null;
  /** `verified`, `unsigned`, `unchecked` (no secret was given), or why it is not verified. */
  signature: string;
  /** What it holds, where that is JSON; else its text. */
  body: unknown;
}

export interface ListenerOptions {
  port: number;
  secrets: readonly string[];
  /** What every message is answered with. */
  status: number;
  onMessage: (message: HeardMessage) => void;
}

export async function listenForWebhooks(options: ListenerOptions): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    bodyOf(request).then(
      (body) => {
        options.onMessage(heard(request, body, options.secrets));
        response.writeHead(options.status).end();
      },
      () => response.writeHead(413, { connection: 'close' }).end(),
    );
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.port, '127.0.0.1', resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

function heard({ headers }: IncomingMessage, body: string, secrets: readonly string[]): HeardMessage {
  const id = headers['webhook-id'];
  return {
    at: new Date().toISOString(),
    id: typeof id === 'string' ? id : null,
    signature: signatureOf(headers, body, secrets),
    body: parsed(body),
  };
}

function signatureOf(headers: IncomingMessage['headers'], body: string, secrets: readonly string[]): string {
  if (headers['webhook-signature'] === undefined) return 'unsigned';
  if (secrets.length === 0) return 'unchecked';
  return whyNotVerified({ headers, body }, secrets) ?? 'verified';
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
