/**
 * `POST /v1/chat/completions`, as OpenAI defines it and OpenClaw serves it: decodes, hands the call to the runs, and
 * fills the raw response through the sink. Decides nothing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerSink, Call } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import { HttpAnswerSink } from './answer-sink.ts';
import { readBody } from './body.ts';
import { readChatBody } from './chat-body.ts';
import { callerOf } from './policy.ts';
import { CHAT_COMPLETIONS } from './schemas.ts';

export interface ChatDeps {
  runs: { start(call: Call, sink: AnswerSink, callerGone: AbortSignal): Promise<void> };
  limits: { bodyBytesMax: number; jsonDepthMax: number; unreadTimeoutMs: number };
}

export function chatCompletions(app: FastifyInstance, { runs, limits }: ChatDeps): void {
  const start = (request: FastifyRequest, reply: FastifyReply, body: Buffer): void => {
    const call: Call = {
      caller: callerOf(request),
      body,
      ...readChatBody(body, limits.jsonDepthMax),
      headers: request.headers as Record<string, string>,
    };
    const callerGone = new AbortController();
    reply.hijack();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) callerGone.abort();
    });
    const sink = new HttpAnswerSink(reply.raw, limits);
    runs.start(call, sink, callerGone.signal).catch((error: unknown) => {
      // `start` never rejects; if it does all the same, the caller must not wait for ever.
      request.log.error({ err: error }, 'a run ended with an exception');
      sink.fail(new GatewayError('internal', 'Internal error; the log has it.'), {
        runId: 'unknown',
        dispatchId: null,
      });
    });
  };
  const receive = (request: FastifyRequest, reply: FastifyReply): void => {
    readBody(request.raw, limits.bodyBytesMax, (error, body) => {
      if (error !== null) return void reply.send(error);
      try {
        start(request, reply, body);
      } catch (refusal) {
        reply.send(refusal);
      }
    });
  };
  const config = { scope: 'dispatch' as const, startsRuns: true };
  app.post('/v1/chat/completions', { config, schema: CHAT_COMPLETIONS }, receive);
}
