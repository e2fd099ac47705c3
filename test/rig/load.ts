/**
 * A lean load generator: raw sockets, keep-alive, request bytes built once, one request in flight on each connection.
 * It measures what a caller sees (requests/s, latency, first byte, gaps between events) and nothing of its own; tests
 * that need to know how each single answer ended use caller.ts.
 */
import { connect, type Socket } from 'node:net';
import { AnswerParser } from './answer-parser.ts';

export interface RequestShape {
  /** POST unless told. */
  method?: string;
  url: string;
  path: string;
  body: unknown;
  headers?: Readonly<Record<string, string>>;
}

/** The bytes of a request with JSON, ready to be written any number of times. */
export function requestBytes(shape: RequestShape): Buffer {
  const body = Buffer.from(JSON.stringify(shape.body));
  const lines = [
    `${shape.method ?? 'POST'} ${shape.path} HTTP/1.1`,
    `host: ${new URL(shape.url).host}`,
    'content-type: application/json',
  ];
  for (const [name, value] of Object.entries(shape.headers ?? {})) lines.push(`${name}: ${value}`);
  lines.push(`content-length: ${body.length}`, '', '');
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
}

export interface LoadPlan {
  url: string;
  request: Buffer;
  connections: number;
  /** Stops after this time or this many answers, whichever comes first. */
  durationMs?: number;
  answersMax?: number;
}

export interface LoadResult {
  answers: number;
  failures: number;
  elapsedMs: number;
  /** Milliseconds, one for each answer. */
  latenciesMs: number[];
  firstBytesMs: number[];
  /** Milliseconds between two reads that brought body bytes, within one answer. */
  gapsMs: number[];
  /** Bytes of the answers' bodies. */
  bodyBytes: number;
}

/** Runs the plan to its end. Answers other than 200, and cut ones, count as failures. */
export async function load(plan: LoadPlan): Promise<LoadResult> {
  const result: LoadResult = {
    answers: 0,
    failures: 0,
    elapsedMs: 0,
    latenciesMs: [],
    firstBytesMs: [],
    gapsMs: [],
    bodyBytes: 0,
  };
  const startedAt = performance.now();
  const stopAt = startedAt + (plan.durationMs ?? Number.POSITIVE_INFINITY);
  const budget = { left: plan.answersMax ?? Number.POSITIVE_INFINITY };
  const lanes: Promise<void>[] = [];
  for (let index = 0; index < plan.connections; index++) lanes.push(runLane(plan, stopAt, budget, result));
  await Promise.all(lanes);
  result.elapsedMs = performance.now() - startedAt;
  return result;
}

function runLane(plan: LoadPlan, stopAt: number, budget: { left: number }, result: LoadResult): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { hostname, port } = new URL(plan.url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let sentAt = 0;
  let lastBodyAt = 0;
  let readAt = 0;
  let status = 0;

  const next = (): void => {
    if (budget.left <= 0 || performance.now() >= stopAt) {
      socket.destroy();
      resolve();
      return;
    }
    budget.left--;
    lastBodyAt = 0;
    sentAt = performance.now();
    socket.write(plan.request);
  };
  const parser = new AnswerParser({
    head: (value) => {
      status = value;
    },
    body: (bytes) => {
      result.bodyBytes += bytes.length;
      if (lastBodyAt === 0) result.firstBytesMs.push(readAt - sentAt);
      else if (readAt !== lastBodyAt) result.gapsMs.push(readAt - lastBodyAt);
      lastBodyAt = readAt;
    },
    end: () => {
      if (status === 200) {
        result.answers++;
        result.latenciesMs.push(performance.now() - sentAt);
      } else {
        result.failures++;
      }
      next();
    },
  });
  socket.on('connect', next);
  socket.on('data', (bytes: Buffer) => {
    readAt = performance.now();
    parser.push(bytes);
  });
  socket.on('error', reject);
  socket.on('close', () => {
    // A peer that closes between answers would end the lane early and flatter the rest.
    reject(new Error(`the connection closed ${parser.midAnswer ? 'in the middle of an answer' : 'under load'}`));
  });
  return promise;
}

/** Nearest-rank percentile; sorts a copy. NaN for no values. */
export function percentile(values: readonly number[], rank: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(rank * sorted.length) - 1))]!;
}
