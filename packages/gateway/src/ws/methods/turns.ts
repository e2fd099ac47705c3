/**
 * Methods that run an agent, wait for it, or end it. Each makes one request of the turns and answers in its own form: the
 * same run whichever of them began it. Limits, lanes, idempotency and what a key may run are decided below.
 */
import type {
  AgentWaitParams,
  ChatAbortParams,
  SessionsAbortParams,
  SessionsSendParams,
} from '@openclaw/gateway-protocol';
import type { GatewayConfig } from '../../domain/config.ts';
import type { GatewayError } from '../../domain/errors.ts';
import { type HeaderPatch, readHeaderPatch } from '../../domain/outbound-headers.ts';
import type { TurnRequest, TurnResult, TurnTicket } from '../../runs/turn.ts';
import { agentOfKey } from '../../sessions/keys.ts';
import { partsOf } from '../attachments.ts';
import { refuseForeignAgent, refuseUnknownAgent, runnableKeyOf, sessionKeyOf } from '../session-keys.ts';
import { refuseThinking } from '../thinking.ts';
import { agentFinal, waitAnswer } from '../turn-answers.ts';
import { invalid } from '../wire-errors.ts';
import { type Method, type MethodRequest, method } from './method.ts';

const WAIT_MS = 30_000;
const WAIT_MAX_MS = 3_600_000;
export const OUTBOUND_HEADERS = { outboundHeaders: { anyOf: [{ type: 'object' }, { type: 'null' }] } };

export interface TurnMethodsDeps {
  config: () => Pick<GatewayConfig, 'agents' | 'outboundHeaders'>;
  turns: {
    start(request: TurnRequest): Promise<TurnTicket>;
    abort(which: { tenantId: string; sessionKey: string; runId?: string }): string[];
    wait(which: { tenantId: string; runId: string }, timeoutMs: number): Promise<TurnResult | null>;
  };
  /** In which session a run is that is on its way; null: there is none of that id. */
  sessionOfRun(tenantId: string, runId: string): string | null;
  /** Why no call may come in now; null: it may. */
  atDoor(): GatewayError | null;
}

/** Of the published fields those that mean something here. */
interface AgentParams {
  message: string;
  idempotencyKey: string;
  agentId?: string;
  sessionKey?: string;
  provider?: string;
  model?: string;
  thinking?: string;
  timeout?: number;
  extraSystemPrompt?: string;
  channel?: string;
  attachments?: unknown[];
}

interface ChatSendParams {
  sessionKey: string;
  agentId?: string;
  message: string;
  thinking?: string;
  timeoutMs?: number;
  originatingChannel?: string;
  attachments?: unknown[];
  idempotencyKey: string;
}

interface WithHeaders {
  outboundHeaders?: unknown;
}

const RUN = { scope: 'operator.write', keyScopes: ['dispatch'] } as const;

export function turnMethods(deps: TurnMethodsDeps): Method[] {
  const { config, turns } = deps;
  const start = (request: TurnRequest): Promise<TurnTicket> => {
    const refused = deps.atDoor();
    if (refused !== null) throw refused;
    return turns.start(request);
  };
  const headersOf = (params: WithHeaders, { caller }: MethodRequest): { outboundHeaders?: HeaderPatch } =>
    params.outboundHeaders === undefined
      ? {}
      : { outboundHeaders: readHeaderPatch(params.outboundHeaders, config().outboundHeaders, caller) };

  return [
    method<AgentParams & WithHeaders>({
      name: 'agent',
      ...RUN,
      schema: 'AgentParams',
      extra: OUTBOUND_HEADERS,
      run: async (params, request) => {
        const { agents } = config();
        refuseThinking(params.thinking);
        const agentId = params.agentId?.trim().toLowerCase() || null;
        if (agentId !== null && !agents.byId.has(agentId)) {
          throw invalid(`invalid agent params: unknown agent id "${agentId.slice(0, 64)}"`);
        }
        refuseForeignAgent(agentId, request.caller);
        const asked = params.sessionKey?.trim() || null;
        if (asked !== null) refuseOthersKey(agentOfKey(asked.toLowerCase()), request, agents);
        const ticket = await start({
          ...{ caller: request.caller, door: 'agent', sessionKey: asked, agentId, message: params.message },
          attachments: partsOf(params.attachments),
          model: modelOf(params, agents, agentId),
          ...headersOf(params, request),
          idempotencyKey: params.idempotencyKey,
          timeoutMs: params.timeout === undefined ? null : params.timeout * 1000,
          extraSystemPrompt: params.extraSystemPrompt ?? null,
          channel: params.channel ?? null,
          traceparent: request.traceparent,
        });
        if (ticket.status !== 'replayed') {
          const { runId, sessionKey, acceptedAt } = ticket;
          request.interim({ runId, sessionKey, agentId: ticket.agentId, status: 'accepted', acceptedAt });
        }
        return agentFinal(await ticket.done);
      },
    }),
    method<AgentWaitParams>({
      name: 'agent.wait',
      ...RUN,
      schema: 'AgentWaitParams',
      run: async ({ runId, timeoutMs = WAIT_MS }, { caller }) => {
        const result = await turns.wait({ tenantId: caller.tenantId, runId }, Math.min(timeoutMs, WAIT_MAX_MS));
        const bound = caller.terms?.agentId ?? null;
        return waitAnswer(runId, result !== null && bound !== null && result.agentId !== bound ? null : result);
      },
    }),
    method<ChatSendParams & WithHeaders>({
      name: 'chat.send',
      ...RUN,
      schema: 'ChatSendParams',
      extra: OUTBOUND_HEADERS,
      prepare: refuseNoTarget('chat.send'),
      run: async (params, request) => {
        refuseThinking(params.thinking);
        const attachments = partsOf(params.attachments);
        if (params.message === '' && attachments.length === 0) throw invalid('message or attachment required');
        const ticket = await start({
          ...{ caller: request.caller, door: 'chat', message: params.message, attachments },
          sessionKey: runnableKeyOf(
            { key: params.sessionKey, agentId: params.agentId },
            request.caller,
            config().agents,
          ),
          agentId: null,
          channel: params.originatingChannel ?? null,
          ...headersOf(params, request),
          idempotencyKey: params.idempotencyKey,
          timeoutMs: params.timeoutMs ?? null,
          traceparent: request.traceparent,
        });
        return startedAnswer(ticket);
      },
    }),
    method<SessionsSendParams & WithHeaders>({
      name: 'sessions.send',
      ...RUN,
      schema: 'SessionsSendParams',
      extra: OUTBOUND_HEADERS,
      run: async (params, request) => {
        refuseThinking(params.thinking);
        const attachments = partsOf(params.attachments);
        if (params.message === '' && attachments.length === 0) throw invalid('message or attachment required');
        const ticket = await start({
          ...{ caller: request.caller, door: 'sessions.send', message: params.message, attachments },
          sessionKey: runnableKeyOf(params, request.caller, config().agents),
          agentId: null,
          ...headersOf(params, request),
          idempotencyKey: params.idempotencyKey ?? null,
          timeoutMs: params.timeoutMs ?? null,
          traceparent: request.traceparent,
        });
        return startedAnswer(ticket);
      },
    }),
    method<ChatAbortParams>({
      name: 'chat.abort',
      ...RUN,
      schema: 'ChatAbortParams',
      run: ({ sessionKey: key, agentId, runId }, { caller }) => {
        const sessionKey = sessionKeyOf({ key, agentId }, caller, config().agents);
        const runIds = turns.abort({
          tenantId: caller.tenantId,
          sessionKey,
          ...(runId === undefined ? {} : { runId }),
        });
        return { ok: true, aborted: runIds.length > 0, runIds };
      },
    }),
    method<SessionsAbortParams>({
      name: 'sessions.abort',
      ...RUN,
      schema: 'SessionsAbortParams',
      run: ({ key, runId, agentId }, { caller }) => {
        const { tenantId } = caller;
        const asked = key ?? (runId === undefined ? null : deps.sessionOfRun(tenantId, runId));
        if (key === undefined && runId === undefined) throw invalid('key or runId required');
        if (asked === null) return { ok: true, abortedRunId: null, status: 'no-active-run' };
        const sessionKey = sessionKeyOf({ key: asked, agentId }, caller, config().agents);
        const runIds = turns.abort({ tenantId, sessionKey, ...(runId === undefined ? {} : { runId }) });
        return { ok: true, abortedRunId: runIds[0] ?? null, status: runIds.length > 0 ? 'aborted' : 'no-active-run' };
      },
    }),
  ];
}

function refuseOthersKey(owner: string | null, { caller }: MethodRequest, agents: GatewayConfig['agents']): void {
  refuseUnknownAgent(owner, agents);
  refuseForeignAgent(owner, caller);
}

function startedAnswer({ runId, status }: TurnTicket): Record<string, unknown> {
  return { runId, status: { accepted: 'started', in_flight: 'in_flight', replayed: 'ok' }[status] };
}

/** OpenClaw says it so before it looks at anything else. */
export function refuseNoTarget(name: string): (params: unknown) => void {
  return (params) => {
    const { sessionKey } = (params ?? {}) as { sessionKey?: unknown };
    if (typeof sessionKey === 'string' && sessionKey.trim() !== '') return;
    throw invalid('session mutation target is unavailable', { code: 'SESSION_MUTATION_TARGET_REQUIRED', method: name });
  };
}

/** `provider` and `model`, or both in one; a bare name is a model of the agent's own provider. */
function modelOf(
  { provider, model }: Pick<AgentParams, 'provider' | 'model'>,
  { byId, defaultId }: GatewayConfig['agents'],
  agentId: string | null,
): string | null {
  if (model === undefined || model === '') return null;
  if (provider !== undefined && provider !== '') return `${provider}/${model}`;
  if (model.includes('/')) return model;
  const own = byId.get(agentId ?? defaultId ?? '')?.model.split('/')[0];
  return own === undefined ? model : `${own}/${model}`;
}
