/** Methods that make, change, reset and delete sessions. What a patch means for runs is the sessions' business. */

import { randomUUID } from 'node:crypto';
import type { SessionsDeleteParams, SessionsPatchParams, SessionsResetParams } from '@openclaw/gateway-protocol';
import type { Caller } from '../../domain/caller.ts';
import type { GatewayConfig } from '../../domain/config.ts';
import type { Target } from '../../domain/provider.ts';
import type { TurnRequest, TurnTicket } from '../../runs/turn.ts';
import { readSessionChanges } from '../../sessions/changes.ts';
import { existsAlready, type Session, type SessionPatch } from '../../sessions/session.ts';
import { mainAgent } from '../agents-seen.ts';
import { runnableKeyOf, sessionKeyOf } from '../session-keys.ts';
import { type SessionRows, STORE_PATH } from '../session-rows.ts';
import { sessionEntry } from '../session-shapes.ts';
import { refuseThinking } from '../thinking.ts';
import { invalid, shapeOf } from '../wire-errors.ts';
import { type Method, type MethodRequest, method } from './method.ts';
import { OUTBOUND_HEADERS } from './turns.ts';

export interface SessionChangeDeps {
  config: () => Pick<GatewayConfig, 'agents' | 'outboundHeaders'>;
  catalogue: { find(ref: string): Target | null };
  rows: SessionRows;
  sessions: {
    snapshot(tenantId: string, sessionKey: string): Session | null | Promise<Session | null>;
    patch(tenantId: string, sessionKey: string, patch: SessionPatch): Promise<Session>;
    create(tenantId: string, sessionKey: string, patch: SessionPatch): Promise<Session>;
    reset(tenantId: string, sessionKey: string): Promise<Session | null>;
    delete(tenantId: string, sessionKey: string): Promise<boolean>;
  };
  turns: { start(request: TurnRequest): Promise<TurnTicket> };
  abortAll(tenantId: string, sessionKey: string): void;
}

interface WithHeaders {
  outboundHeaders?: unknown;
}

interface CreateParams extends WithHeaders {
  key?: string;
  agentId?: string;
  label?: string;
  model?: string;
  thinkingLevel?: string;
  category?: string;
  message?: string;
  task?: string;
  idempotencyKey?: string;
}

/** What a client may have remembered for it; of these only `model` means something to a run. */
const KEPT = [
  ...['model', 'verboseLevel', 'traceLevel', 'reasoningLevel', 'responseUsage', 'fastMode', 'contextWindow'],
  ...['icon', 'color', 'category', 'boardFace', 'statusNote', 'attention', 'archived', 'pinned', 'unread'],
  ...['sendPolicy', 'groupActivation'],
];
const READ_ELSEWHERE = [
  'key',
  'agentId',
  'label',
  'thinkingLevel',
  'outboundHeaders',
  'expectedSessionId',
  'ttlMinutes',
];

const CHANGE = { scope: 'operator.write', keyScopes: ['dispatch'] } as const;
const REMOVE = { scope: 'operator.admin', keyScopes: ['admin'] } as const;

export function sessionChangeMethods(deps: SessionChangeDeps): Method[] {
  const { config, sessions, rows } = deps;
  const answer = (session: Session): Record<string, unknown> => ({
    ok: true,
    key: session.sessionKey,
    entry: sessionEntry(session),
    resolved: rows.resolved(session),
  });
  return [
    method<CreateParams>({
      name: 'sessions.create',
      ...CHANGE,
      schema: 'SessionsCreateParams',
      extra: OUTBOUND_HEADERS,
      run: (params, request) => created(params, request, deps),
    }),
    method<SessionsPatchParams & WithHeaders>({
      name: 'sessions.patch',
      ...CHANGE,
      schema: 'SessionsPatchParams',
      extra: OUTBOUND_HEADERS,
      run: async (params, { caller }) => {
        const key = sessionKeyOf(params, caller, config().agents);
        refuseMeaningless(params);
        refuseThinking(params.thinkingLevel);
        refuseUnknownModel(params.model, deps);
        await refuseOtherSession(params.expectedSessionId, caller.tenantId, key, deps);
        const session = await sessions.patch(caller.tenantId, key, patchOf(params, caller, deps));
        return { ...answer(session), path: STORE_PATH };
      },
    }),
    method<SessionsResetParams>({
      name: 'sessions.reset',
      ...REMOVE,
      schema: 'SessionsResetParams',
      extra: { expectedSessionId: { type: 'string' } },
      run: async (params, { caller }) => {
        const key = sessionKeyOf(params, caller, config().agents);
        deps.abortAll(caller.tenantId, key);
        const session = await sessions.reset(caller.tenantId, key);
        if (session === null) throw invalid(`No session found: ${key.slice(0, 200)}`);
        return answer(session);
      },
    }),
    method<SessionsDeleteParams>({
      name: 'sessions.delete',
      ...REMOVE,
      schema: 'SessionsDeleteParams',
      run: async (params, { caller }) => {
        const key = sessionKeyOf(params, caller, config().agents);
        if (/^agent:[^:]+:main$/.test(key)) throw invalid(`Cannot delete the main session (${key.slice(0, 200)}).`);
        await refuseOtherSession(params.expectedSessionId, caller.tenantId, key, deps);
        deps.abortAll(caller.tenantId, key);
        return { ok: true, key, deleted: await sessions.delete(caller.tenantId, key), archived: [] };
      },
    }),
  ];
}

/** One that is there already is never changed by being created again. */
async function created(params: CreateParams, request: MethodRequest, deps: SessionChangeDeps): Promise<object> {
  const { caller } = request;
  const { agents } = deps.config();
  refuseThinking(params.thinkingLevel);
  refuseUnknownModel(params.model, deps);
  const owner = params.agentId?.toLowerCase() ?? caller.terms?.agentId ?? mainAgent(agents);
  const asked = params.key ?? `agent:${owner}:dashboard:${randomUUID()}`;
  const key = runnableKeyOf({ key: asked, agentId: params.agentId }, caller, agents);
  if ((await deps.sessions.snapshot(caller.tenantId, key)) !== null) {
    throw invalid(existsAlready(key));
  }
  const patch = patchOf(params, caller, deps);
  const session = await deps.sessions.create(caller.tenantId, key, patch);
  const answer = {
    ok: true,
    key,
    sessionId: session.sessionId,
    entry: sessionEntry(session),
    resolved: deps.rows.resolved(session),
  };
  const message = params.message ?? params.task ?? '';
  if (message === '') return { ...answer, runStarted: false };
  return { ...answer, ...(await firstRun(message, key, params, request, deps)) };
}

/** The session stays when its first run cannot begin. */
async function firstRun(
  message: string,
  sessionKey: string,
  { idempotencyKey }: CreateParams,
  { caller, traceparent }: MethodRequest,
  { turns }: SessionChangeDeps,
): Promise<object> {
  try {
    const turn = { caller, door: 'sessions.send' as const, sessionKey, agentId: null, message, traceparent };
    const { runId } = await turns.start({ ...turn, idempotencyKey: idempotencyKey ?? null });
    return { runStarted: true, runId };
  } catch (error) {
    const shape = shapeOf(error);
    if (shape === null) throw error;
    return { runStarted: false, runError: shape };
  }
}

/** Read as the other door reads it. */
function patchOf(
  params: WithHeaders & { label?: string | null },
  caller: Caller,
  { config, catalogue }: SessionChangeDeps,
): SessionPatch {
  const fields = params as Record<string, unknown>;
  const { label, outboundHeaders } = params;
  const overrides = Object.fromEntries(
    KEPT.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  );
  return readSessionChanges({ label, outboundHeaders, overrides }, caller, {
    rules: config().outboundHeaders,
    findModel: (ref) => catalogue.find(ref),
  });
}

/** A setting that would change nothing is refused, not forgotten: there are no tools to run here, and nobody to ask. */
function refuseMeaningless(params: object): void {
  for (const [name, value] of Object.entries(params)) {
    if (value === null || KEPT.includes(name) || READ_ELSEWHERE.includes(name)) continue;
    throw invalid(`${name} has no meaning for this gateway; leave it out`);
  }
}

function refuseUnknownModel(model: string | null | undefined, { catalogue }: SessionChangeDeps): void {
  if (model === undefined || model === null || catalogue.find(model) !== null) return;
  const [provider = ''] = model.split('/');
  throw invalid(`Unknown provider "${provider.slice(0, 64)}". Use /models to list providers.`);
}

async function refuseOtherSession(
  expected: string | undefined,
  tenantId: string,
  key: string,
  { sessions }: SessionChangeDeps,
): Promise<void> {
  if (expected === undefined) return;
  const session = await sessions.snapshot(tenantId, key);
  if (session?.sessionId === expected) return;
  throw invalid(`the session ${key.slice(0, 200)} is not ${expected.slice(0, 100)} any more`);
}
