/**
 * `GET /api/v1/events`: the event log as server-sent events. A feed is a follower without a stored cursor: its reader
 * keeps its place by `Last-Event-ID`. Feeds are bounded in number and in what they may fall behind.
 */

import type { ServerResponse } from 'node:http';
import type { EventEnvelope } from '@weighbridge/protocol';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import type { FollowQuestion } from '../events/log.ts';
import { SECURITY_HEADERS } from './answer-sink.ts';
import { type FilterQuery, filtersOf, tenantAsked } from './asking.ts';
import { callerOf } from './policy.ts';
import { EVENTS } from './schemas.ts';

const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a slow reader before its feed is closed; it resumes by its last event's id. */
const BEHIND_BYTES_MAX = 1024 * 1024;

export interface FeedDeps {
  events: { lastSeq(): Promise<number>; follow(question: FollowQuestion): AsyncGenerator<EventEnvelope> };
  feedsMax: number;
  /** Fires at shutdown. */
  closing: AbortSignal;
}

export function feed(app: FastifyInstance, { events, feedsMax, closing }: FeedDeps): void {
  let feeds = 0;
  app.get<{ Querystring: FilterQuery & { after?: number; types?: string } }>(
    '/api/v1/events',
    { config: { scope: 'read' }, schema: EVENTS },
    async (request, reply) => {
      if (feeds >= feedsMax) {
        throw new GatewayError('overloaded', `There are ${feedsMax} live feeds already; close one or raise limits.`, {
          retryAfterSeconds: 5,
        });
      }
      // Taken before the first wait, or all who ask at once would pass; so is the listener, or who goes now is missed.
      feeds += 1;
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      try {
        const { after, types, tenant, ...filters } = request.query;
        const tenantId = tenantAsked(request, tenant);
        const { terms } = callerOf(request);
        const afterSeq = resumeOf(request.headers['last-event-id']) ?? after ?? (await events.lastSeq());
        reply.hijack();
        await pour(reply.raw, events, {
          afterSeq,
          tenantId,
          types: types?.split(',') ?? null,
          // A feed outlives its request: it ends with its key.
          signal: AbortSignal.any([gone.signal, closing, ...(terms === undefined ? [] : [terms.ended])]),
          wanted: matcherOf(filters),
        });
      } catch (error) {
        if (!reply.sent) throw error;
        request.log.error({ err: error }, 'a live feed ended with an error');
      } finally {
        feeds -= 1;
        if (reply.sent) reply.raw.end();
      }
    },
  );
}

interface FeedQuestion extends FollowQuestion {
  wanted: (event: EventEnvelope) => boolean;
}

/** The first block says where the feed begins, so that a reader who loses it before any event can resume there. */
async function pour(raw: ServerResponse, events: FeedDeps['events'], question: FeedQuestion): Promise<void> {
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    ...SECURITY_HEADERS,
  });
  raw.write(`: following\nid: ${question.afterSeq}\n\n`);
  const heartbeat = setInterval(() => raw.write(': alive\n\n'), HEARTBEAT_MS);
  try {
    for await (const event of events.follow(question)) {
      if (!question.wanted(event)) continue;
      raw.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      // Cut, not ended: an end would wait, with all its bytes, for a reader who takes none.
      if (raw.writableLength > BEHIND_BYTES_MAX) return void raw.destroy();
    }
  } finally {
    clearInterval(heartbeat);
  }
}

/** Exact matches on the event's data; an event without that field does not match. */
function matcherOf(query: Omit<FilterQuery, 'tenant'>): (event: EventEnvelope) => boolean {
  const filters = Object.entries(filtersOf(query));
  return ({ data }) => filters.every(([name, value]) => (data as Record<string, unknown> | null)?.[name] === value);
}

function resumeOf(lastEventId: string | string[] | undefined): number | null {
  if (lastEventId === undefined || lastEventId === '') return null;
  if (typeof lastEventId === 'string' && /^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  // Taken for "from now on" it would lose events in silence.
  throw new GatewayError('invalid_request', '`Last-Event-ID` must be a sequence number that this feed gave.', {
    param: 'Last-Event-ID',
  });
}
