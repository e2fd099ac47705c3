/**
 * The body of a passed request: held where it is small, because what it is about is looked at before it is sent; else a
 * stream, at the pace of the provider. A request that breaks off is noticed by its response's close.
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Upload } from '../domain/pass.ts';
import { GatheredBytes } from '../lib/gathered-bytes.ts';
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
  // Only what is not held needs to be watched.
  let watch: JsonWatch | null = isLarge ? new JsonWatch(LOOKED_FOR) : null;
  const body = new GatheredBytes();
  const take = (chunk: Buffer): void => {
    body.push(chunk);
    watch?.push(chunk);
    const isSeen =
      watch !== null && (watch.isOver || watch.scalar('model') !== undefined || body.length >= LOOK_BYTES_MAX);
    if (body.length <= bytesMax && !isSeen) return;
    request.off('data', take).off('end', finish);
    if (watch === null) {
      watch = new JsonWatch(LOOKED_FOR);
      watch.push(body.joined());
    }
    done(uploadOf(request, body.take(), watch));
  };
  const finish = (): void => done(body.take());
  request.on('data', take).on('end', finish);
}

/** Whoever reads the stream may destroy it without the caller's connection: an answer may still have to go there. */
function uploadOf(request: IncomingMessage, begun: Buffer, watch: JsonWatch): Upload {
  const stream = new PassThrough();
  stream.write(begun);
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
