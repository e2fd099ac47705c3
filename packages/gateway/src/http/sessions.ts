/** Sessions over HTTP: listed, shown, changed, deleted; their transcripts read and exported. Decodes, asks, answers. */
import { Readable } from 'node:stream';
import type { SessionInfo } from '@weighbridge/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DEFAULT_TENANT } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { HeaderRules } from '../domain/outbound-headers.ts';
import { readSessionChanges } from '../sessions/changes.ts';
import { agentOfKey, foldedKey, isDirectKey } from '../sessions/keys.ts';
import type { Session } from '../sessions/session.ts';
import { runsOf, type Sessions } from '../sessions/sessions.ts';
import { tenantAsked } from './asking.ts';
import { callerOf } from './policy.ts';
import { sessionInfo, transcriptEntry } from './session-info.ts';
import { DELETE_SESSION, PATCH_SESSION, SESSION, SESSIONS, TRANSCRIPT } from './session-schemas.ts';
import { smallBodyOf } from './small-body.ts';

export interface SessionRoutesDeps {
  sessions: Pick<
    Sessions,
    'list' | 'describe' | 'patch' | 'delete' | 'history' | 'usageOfRuns' | 'exportJsonl' | 'snapshot'
  >;
  /** Ends what runs in a session, and what it writes: it would write into one that is no more. */
  turns: { endAll(of: { tenantId: string; sessionKey: string }, timeoutMs: number): Promise<void> };
  rules: HeaderRules;
  catalogue: { find(ref: string): unknown };
}

interface OfOne {
  Params: { key: string };
  Querystring: { tenant?: string };
}
const KEY_CHARS_MAX = 512;
/** How long a deletion waits for turns to be written down: longer only where the database is away. */
const TURNS_END_MS = 5_000;
/** Of one page of a transcript; it has fewer messages where they are long. */
const PAGE_CHARS_MAX = 16 * 1024 * 1024;

export function sessionRoutes(app: FastifyInstance, { sessions, turns, rules, catalogue }: SessionRoutesDeps): void {
  const one = '/api/v1/sessions/:key';
  const shown = async (tenantId: string, sessionKey: string): Promise<SessionInfo> => {
    const view = await sessions.describe(tenantId, sessionKey);
    return view === null ? refuseUnknown(sessionKey) : sessionInfo(view);
  };

  app.get<{ Querystring: { limit: number; cursor?: string; tenant?: string; agent?: string; search?: string } }>(
    '/api/v1/sessions',
    { config: { scope: 'read' }, schema: SESSIONS },
    async (request) => {
      const { limit, cursor, tenant, agent, search } = request.query;
      const agentId = callerOf(request).terms?.agentId ?? agent;
      const page = await sessions.list({
        tenantId: tenantAsked(request, tenant),
        limit,
        behind: cursor === undefined ? null : behindOf(cursor),
        ...(agentId === undefined ? {} : { agentId }),
        ...(search === undefined ? {} : { search }),
      });
      const nextCursor = page.hasMore ? cursorOf(page.sessions.at(-1)!) : null;
      return { object: 'list', data: page.sessions.map(sessionInfo), hasMore: page.hasMore, nextCursor };
    },
  );

  app.get<OfOne>(one, { config: { scope: 'read' }, schema: SESSION }, (request) =>
    shown(tenantOf(request), keyOf(request)),
  );

  // Whoever may call may say how its session's calls are made, as with the header of a call.
  app.patch<OfOne>(one, { config: { scope: 'dispatch' }, schema: PATCH_SESSION }, async (request) => {
    const changes = await smallBodyOf(request);
    const key = keyOf(request);
    refuseUnlessWhole(key);
    const known = { rules, findModel: (ref: string) => catalogue.find(ref) };
    await sessions.patch(tenantOf(request), key, readSessionChanges(changes, callerOf(request), known));
    return shown(tenantOf(request), key);
  });

  app.delete<OfOne & { Querystring: { transcriptOnly: boolean } }>(
    one,
    { config: { scope: 'admin' }, schema: DELETE_SESSION },
    async (request) => {
      const key = keyOf(request);
      const tenantId = tenantOf(request);
      const { transcriptOnly } = request.query;
      // What they still write would be said again in a transcript that has been deleted.
      await turns.endAll({ tenantId, sessionKey: key }, TURNS_END_MS);
      if (!(await sessions.delete(tenantId, key, { transcriptOnly }))) refuseUnknown(key);
      return { object: 'session', sessionKey: key, deleted: transcriptOnly ? 'transcript' : 'session' };
    },
  );

  app.get<OfOne & { Querystring: { limit: number; before?: number; format: 'json' | 'jsonl' } }>(
    `${one}/transcript`,
    // What was said is more than what it cost.
    { config: { scope: 'admin' }, schema: TRANSCRIPT },
    async (request, reply) => {
      const key = keyOf(request);
      const { limit, before, format } = request.query;
      const tenantId = tenantOf(request);
      if (format === 'jsonl') return exported(reply, (await sessions.exportJsonl(tenantId, key)) ?? refuseUnknown(key));
      const page =
        (await sessions.history(tenantId, key, { limit, before: before ?? null, charsMax: PAGE_CHARS_MAX })) ??
        refuseUnknown(key);
      const used = await sessions.usageOfRuns(tenantId, runsOf(page.messages));
      return {
        object: 'list',
        data: page.messages.map((message) => transcriptEntry(message, used.get(message.runId ?? ''))),
        hasMore: page.hasMore,
        nextCursor: page.hasMore ? String(page.messages[0]!.seq) : null,
      };
    },
  );
}

function exported(reply: FastifyReply, lines: AsyncIterable<string>): FastifyReply {
  return reply.type('application/jsonl; charset=utf-8').send(Readable.from(lines));
}

function tenantOf(request: FastifyRequest<OfOne>): string {
  return tenantAsked(request, request.query.tenant) ?? DEFAULT_TENANT;
}

/** As calls keep it. A key that may use one agent only reaches that agent's sessions only. */
function keyOf(request: FastifyRequest<OfOne>): string {
  const { key: given } = request.params;
  if (given.length > KEY_CHARS_MAX || !given.isWellFormed() || given.includes('\0')) {
    throw new GatewayError('invalid_request', `A session key has at most ${KEY_CHARS_MAX} characters, and no NUL.`);
  }
  const key = foldedKey(given);
  const { agentId = null } = callerOf(request).terms ?? {};
  if (agentId === null || agentOfKey(key) === agentId) return key;
  throw new GatewayError('forbidden', `This key may use the agent '${agentId}' only, and its sessions.`);
}

/** What is set on a key that no call can have would be sent with none. */
function refuseUnlessWhole(key: string): void {
  if (agentOfKey(key) !== null || isDirectKey(key)) return;
  throw new GatewayError(
    'invalid_request',
    `'${key.slice(0, 80)}' is no whole session key; write it as agent:<agent>:${key.slice(0, 80)}, or direct:<key>.`,
  );
}

function refuseUnknown(key: string): never {
  throw new GatewayError('not_found', `There is no session ${key.slice(0, 200).toWellFormed()} here.`);
}

function cursorOf({ updatedAt, tenantId, sessionKey }: Session): string {
  return Buffer.from(JSON.stringify([updatedAt, tenantId, sessionKey])).toString('base64url');
}

function behindOf(cursor: string): Pick<Session, 'updatedAt' | 'tenantId' | 'sessionKey'> {
  const [updatedAt, tenantId, sessionKey] = partsOf(cursor);
  if (typeof updatedAt === 'number' && typeof tenantId === 'string' && typeof sessionKey === 'string') {
    return { updatedAt, tenantId, sessionKey };
  }
  throw new GatewayError('invalid_request', '`cursor` is not one that a list returned; leave it out to start anew.', {
    param: 'cursor',
  });
}

function partsOf(cursor: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}
