/**
 * The body of a passed request: held where it is small, because what it is about is looked at before it is sent; else a
 * stream, at the pace of the provider. A request that breaks off is noticed by its response's close.
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Upload } from '../domain/pass.ts';
import { JsonWatch } from '../lib/json-watch.ts';

/** What a request is about; most clients write the model first. */
const LOOKED_FOR = ['model', 'stream', 'user'];
/** So much of a large body is waited for to find its model. */
const LOOK_BYTES_MAX = 1024 * 1024;

/** Calls back once; never when the peer goes first. */
export function receivePassBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (body: Buffer | Upload | null) => void,
): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  request.on('error', () => {});
  if (length === undefined && encoding === undefined) {
    request.resume();
    done(null);
    return;
  }
  const isLarge = Number(length) > bytesMax;
  const watch = new JsonWatch(LOOKED_FOR);
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (isLarge) watch.push(chunk);
    const isSeen = isLarge && (watch.isOver || watch.scalar('model') !== undefined || bytes >= LOOK_BYTES_MAX);
    if (bytes <= bytesMax && !isSeen) return;
    request.off('data', take).off('end', finish);
    if (!isLarge) for (const each of chunks) watch.push(each);
    done(uploadOf(request, chunks, watch));
  };
  const finish = (): void => done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
  request.on('data', take).on('end', finish);
}

/** Whoever reads the stream may destroy it without the caller's connection: an answer may still have to go there. */
function uploadOf(request: IncomingMessage, begun: readonly Buffer[], watch: JsonWatch): Upload {
  const stream = new PassThrough();
  for (const chunk of begun) stream.write(chunk);
  request.on('data', (chunk: Buffer) => watch.push(chunk));
  request.pipe(stream);
  request.once('close', () => {
    if (!request.complete) stream.destroy(new Error('the caller broke off its request'));
  });
  stream.once('close', () => {
    request.unpipe(stream);
    request.resume();
  });
  // Told to whoever reads; without a listener it would end the process.
  stream.on('error', () => {});
  return { stream, watch };
}
