/**
 * What every door for model calls does: decodes, hands the call to the runs, and fills the raw response through the sink
 * in the words of the vendor whose door it is. Decides nothing. Which doors there are is model-doors.ts.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { AnswerSink, Ask, Call } from '../domain/answer.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Api } from '../domain/provider.ts';
import { HttpAnswerSink } from './answer-sink.ts';
import { readBody } from './body.ts';
import { type BodyForm, readCallBody } from './call-body.ts';
import { callerOf } from './policy.ts';
import { answerFormOf } from './vendor-errors.ts';

export interface ModelDoorDeps {
  runs: { start(call: Call, sink: AnswerSink, callerGone: AbortSignal): Promise<void> };
  limits: { bodyBytesMax: number; jsonDepthMax: number; unreadTimeoutMs: number };
}

export interface ModelDoor {
  path: string;
  ask: Ask;
  /** The dialect of the door itself: whose client calls. */
  speaks: Api;
  form: BodyForm;
  schema: FastifySchema;
}

export function openDoor(app: FastifyInstance, { runs, limits }: ModelDoorDeps, door: ModelDoor): void {
  const form = answerFormOf(door.speaks);
  const start = (request: FastifyRequest, reply: FastifyReply, body: Buffer): void => {
    const call: Call = {
      caller: callerOf(request),
      ask: door.ask,
      body,
      ...readCallBody(body, limits.jsonDepthMax, door.form),
      headers: request.headers as Record<string, string>,
    };
    const callerGone = new AbortController();
    reply.hijack();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) callerGone.abort();
    });
    const sink = new HttpAnswerSink(reply.raw, limits, form);
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
  const config = { scope: 'dispatch' as const, startsRuns: true, speaks: door.speaks };
  app.post(door.path, { config, schema: door.schema }, receive);
}
