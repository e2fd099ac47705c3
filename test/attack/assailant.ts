/**
 * A caller on a raw socket that does what a case's steps say, well-formed or not, and reports every answer it got and how
 * the connection ended. It judges nothing.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AnswerParser } from '../rig/answer-parser.ts';
import type { Step } from './case.ts';

export interface Answer {
  status: number;
  rawHead: string;
  body: Buffer;
  /** The framing said so. */
  isComplete: boolean;
}

export interface Outcome {
  answers: Answer[];
  /** The gateway closed, or reset, the connection. */
  isClosed: boolean;
  isTimeUp: boolean;
}

/** Plays the steps until so many final answers have come, the connection is closed, or the time is up. */
export async function assail(
  url: string,
  steps: readonly Step[],
  answersMax: number,
  timeoutMs: number,
): Promise<Outcome> {
  const { hostname, port } = new URL(url);
  const outcome: Outcome = { answers: [], isClosed: false, isTimeUp: false };
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
  const parser = parserInto(outcome, () => {
    const finals = outcome.answers.filter(({ status, isComplete }) => status >= 200 && isComplete);
    if (answersMax > 0 && finals.length >= answersMax) end();
  });
  socket.on('data', (bytes: Buffer) => parser.push(bytes));
  const close = (): void => {
    outcome.isClosed = true;
    parser.close();
    end();
  };
  socket.on('error', close).on('end', close).on('close', close);
  const timer = setTimeout(() => {
    outcome.isTimeUp = true;
    end();
  }, timeoutMs);
  const signal = { isOver: false };
  void over.then(() => (signal.isOver = true));
  await Promise.race([play(socket, steps, signal), over]);
  if (steps.at(-1) === 'reset') end();
  await over;
  clearTimeout(timer);
  socket.destroy();
  parser.finish();
  return outcome;
}

/** Bodies are put together once, at their end: some are very long, and come in very many pieces. */
function parserInto(outcome: Outcome, onAnswer: () => void): AnswerParser & { finish(): void } {
  let parts: Buffer[] = [];
  const gather = (): void => {
    const answer = outcome.answers.at(-1);
    if (answer !== undefined && parts.length > 0) answer.body = Buffer.concat(parts);
    parts = [];
  };
  const parser = new AnswerParser({
    head: (status, rawHead) => {
      outcome.answers.push({ status, rawHead, body: Buffer.alloc(0), isComplete: false });
    },
    body: (bytes) => {
      parts.push(bytes);
    },
    end: () => {
      gather();
      outcome.answers.at(-1)!.isComplete = true;
      onAnswer();
    },
  });
  return Object.assign(parser, { finish: gather });
}

async function play(socket: Socket, steps: readonly Step[], signal: { isOver: boolean }): Promise<void> {
  for (const step of steps) {
    if (signal.isOver) return;
    if (typeof step === 'string' || Buffer.isBuffer(step)) await act(socket, step);
    else if ('pauseMs' in step) await delay(step.pauseMs);
    else if ('sipEveryMs' in step) await sip(socket, step.sipEveryMs, signal);
    else {
      while (!signal.isOver) {
        socket.write(step.drip);
        await delay(step.everyMs);
      }
    }
  }
}

async function sip(socket: Socket, everyMs: number, signal: { isOver: boolean }): Promise<void> {
  while (!signal.isOver) {
    socket.resume();
    await new Promise((resolve) => setImmediate(resolve));
    socket.pause();
    await delay(everyMs);
  }
}

async function act(socket: Socket, step: string | Buffer): Promise<void> {
  if (step === 'half-close') socket.end();
  else if (step === 'reset') socket.resetAndDestroy();
  else if (step === 'stop-reading') socket.pause();
  else if (step === 'read') socket.resume();
  else {
    socket.write(typeof step === 'string' ? Buffer.from(step, 'latin1') : step);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
