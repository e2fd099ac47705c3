/**
 * Callers who come at a rate, whether or not the ones before were answered: what overload is. (Load that waits for its
 * answers, load.ts, slows down with the server and can never overload it.) They share connections that were opened before, as
 * agents do; Node accepts one new connection in a turn of its loop, so a storm of new ones would measure that and nothing else.
 */
import { connect, type Socket } from 'node:net';
import { AnswerParser } from '../test/rig/answer-parser.ts';

export interface ArrivalPlan {
  perSecond: number;
  durationMs: number;
  /** Callers come for so long before anything is counted: a burst gets in, and is not what lasts. */
  leadMs?: number;
}

export interface ArrivalResult {
  sent: number;
  /** Callers who found every connection waiting for an answer. */
  unsent: number;
  /** Milliseconds from the request's last byte handed to the kernel to the answer's last byte. */
  admittedMs: number[];
  refusedMs: number[];
  /** Of those who came in the lead. */
  leadAdmittedMs: number[];
  /** Refusals without `Retry-After`, other statuses, cut connections. */
  wrong: number;
  /** Over the time in which callers came. */
  admittedPerSecond: number;
  /** How late this program itself was: what it adds to the latencies above. */
  ownLagMs: number[];
}

type Told = (status: number, mayRetry: boolean, tookMs: number) => void;

interface Line {
  send(told: Told): Promise<void>;
}

const TICK_MS = 2;

export async function openLines(url: string, request: Buffer, count: number): Promise<Line[]> {
  const lines: Line[] = [];
  // One after the other: the server accepts them so.
  for (let index = 0; index < count; index++) lines.push(await openLine(url, request));
  return lines;
}

/** Resolves when every caller has an answer. */
export async function arrive(
  lines: readonly Line[],
  { perSecond, durationMs, leadMs = 0 }: ArrivalPlan,
): Promise<ArrivalResult> {
  const result: ArrivalResult = {
    sent: 0,
    unsent: 0,
    admittedMs: [],
    refusedMs: [],
    leadAdmittedMs: [],
    wrong: 0,
    admittedPerSecond: 0,
    ownLagMs: [],
  };
  const idle = [...lines];
  const over = Promise.withResolvers<void>();
  let isOver = false;
  let admittedInTime = 0;
  const startedAt = performance.now();
  const countedFrom = startedAt + leadMs;
  const call = (line: Line): void => {
    const isLead = performance.now() < countedFrom;
    if (!isLead) result.sent++;
    void line.send((status, mayRetry, tookMs) => {
      if (status === 200) (isLead ? result.leadAdmittedMs : result.admittedMs).push(tookMs);
      else if (status !== 503 || !mayRetry) result.wrong++;
      else if (!isLead) result.refusedMs.push(tookMs);
      if (status === 200 && !isOver && performance.now() >= countedFrom) admittedInTime++;
      idle.push(line);
      if (isOver && idle.length === lines.length) over.resolve();
    });
  };
  let last = startedAt;
  for (let due = 0; last - startedAt < leadMs + durationMs; ) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const now = performance.now();
    result.ownLagMs.push(now - last - TICK_MS);
    due += (perSecond * (now - last)) / 1000;
    last = now;
    for (; due >= 1; due--) {
      const line = idle.shift();
      if (line !== undefined) call(line);
      else if (now >= countedFrom) result.unsent++;
    }
  }
  result.admittedPerSecond = (admittedInTime * 1000) / (last - countedFrom);
  isOver = true;
  if (idle.length < lines.length) await over.promise;
  return result;
}

async function openLine(url: string, request: Buffer): Promise<Line> {
  const { hostname, port } = new URL(url);
  let told: Told | null = null;
  let sentAt = 0;
  let status = 0;
  let mayRetry = false;
  const parser = new AnswerParser({
    head: (value, rawHead) => {
      status = value;
      mayRetry = /\r\nretry-after: \d/.test(rawHead);
    },
    body: () => {},
    end: () => {
      const answered = told;
      told = null;
      answered?.(status, mayRetry, performance.now() - sentAt);
    },
  });
  const opened = async (): Promise<Socket> => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.on('data', (bytes: Buffer) => parser.push(bytes));
    socket.on('error', () => {});
    socket.on('close', () => told?.(0, false, 0));
    return socket;
  };
  let socket = await opened();
  return {
    send: async (then) => {
      // The server closes what idles for long, as between the rounds on a slow machine.
      if (socket.destroyed) socket = await opened();
      told = then;
      sentAt = performance.now();
      socket.write(request);
    },
  };
}
