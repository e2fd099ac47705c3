/**
 * A plugin that was written for OpenClaw, made a definition of ours: what it registers with `api.on` and
 * `registerService` is called with OpenClaw's field names. Texts of prompts and answers are not kept here, so they are
 * null or empty; `llm_output` comes for each dispatch, with that dispatch's usage, so that sums are the same.
 */
import { type DispatchRecord, promptTokens } from '@weighbridge/protocol';
import type { EventContext, PluginContext, PluginDefinition, RunEndEvent } from '../definition.ts';

const HOOKS = ['model_call_ended', 'llm_output', 'agent_end'] as const;
type ForeignHook = (typeof HOOKS)[number];

type Foreign = (event: unknown, ctx: unknown) => unknown;

interface Registered {
  hooks: Map<ForeignHook, { call: Foreign; priority: number }[]>;
  services: { id?: string; start?: (ctx: unknown) => unknown; stop?: (ctx: unknown) => unknown }[];
}

/** Calls `register`; throws what it throws. `plugin`: an object with `register` or `activate`, or that function. */
export function fromOpenClaw(plugin: unknown, id: string, ctx: PluginContext, stateDir: string): PluginDefinition {
  const register = registerOf(plugin);
  const registered: Registered = { hooks: new Map(), services: [] };
  const result = register?.call(plugin, apiOf(id, ctx, registered));
  // OpenClaw takes no promise here either.
  const { error: complain } = ctx.log;
  if (result instanceof Promise) result.catch((error: unknown) => complain('register failed:', error));
  return definitionOf(id, registered, { config: {}, stateDir, workspaceDir: null, logger: loggerOf(ctx) });
}

export function registerOf(plugin: unknown): ((api: unknown) => unknown) | null {
  if (typeof plugin === 'function') return plugin as (api: unknown) => unknown;
  const { register, activate } = (plugin ?? {}) as { register?: unknown; activate?: unknown };
  const found = register ?? activate;
  return typeof found === 'function' ? (found as (api: unknown) => unknown) : null;
}

function apiOf(id: string, ctx: PluginContext, registered: Registered): object {
  return {
    id,
    name: id,
    source: 'weighbridge',
    registrationMode: 'full',
    // The gateway's own configuration is none of a plugin's business.
    config: {},
    pluginConfig: ctx.config,
    logger: loggerOf(ctx),
    on: (hook: unknown, call: unknown, { priority = 0 }: { priority?: number } = {}) => {
      if (!HOOKS.some((known) => known === hook) || typeof call !== 'function') {
        throw new Error(`api.on("${String(hook)}") is none of the hooks that there are here: ${HOOKS.join(', ')}`);
      }
      const list = registered.hooks.get(hook as ForeignHook) ?? [];
      list.push({ call: call as Foreign, priority });
      registered.hooks.set(
        hook as ForeignHook,
        list.sort((a, b) => b.priority - a.priority),
      );
    },
    registerService: (service: Registered['services'][number]) => void registered.services.push(service),
  };
}

function definitionOf(id: string, { hooks, services }: Registered, serviceContext: object): PluginDefinition {
  const call = async (hook: ForeignHook, event: unknown, ctx: unknown): Promise<void> => {
    for (const handler of hooks.get(hook) ?? []) await handler.call(event, ctx);
  };
  const definition: PluginDefinition = { id };
  if (hooks.has('model_call_ended') || hooks.has('llm_output')) {
    definition.onModelDispatchComplete = async (record, ctx) => {
      await call('model_call_ended', modelCallEnded(record), hookContext(record, ctx));
      await call('llm_output', llmOutput(record), hookContext(record, ctx));
    };
  }
  if (hooks.has('agent_end')) {
    definition.onRunEnd = (run, ctx) => call('agent_end', agentEnd(run), hookContext(run, ctx));
  }
  if (services.length > 0) {
    definition.onGatewayStart = async () => {
      for (const service of services) await service.start?.(serviceContext);
    };
    definition.onGatewayStop = async () => {
      for (const service of services.toReversed()) await service.stop?.(serviceContext);
    };
  }
  return definition;
}

function loggerOf({ log }: PluginContext): object {
  return { debug: log.info, info: log.info, warn: log.warn, error: log.error };
}

function callIdOf({ runId, attempt }: Pick<DispatchRecord, 'runId' | 'attempt'>): string {
  return `${runId}:model:${attempt}`;
}

function modelCallEnded(record: Omit<DispatchRecord, 'usage'>): object {
  const { runId, sessionKey, sessionId, provider, model, api, latencyMs, timeToFirstTokenMs } = record;
  const isDone = record.outcome === 'completed';
  return {
    runId,
    callId: callIdOf(record),
    sessionKey,
    sessionId,
    provider,
    model,
    api,
    transport: record.stream ? 'sse' : 'http',
    durationMs: latencyMs,
    outcome: isDone ? 'completed' : 'error',
    errorCategory: isDone ? null : record.errorKind,
    failureKind: record.outcome === 'aborted' ? 'aborted' : null,
    timeToFirstByteMs: timeToFirstTokenMs,
    requestPayloadBytes: null,
    responseStreamBytes: null,
    contextTokenBudget: null,
  };
}

function llmOutput(record: DispatchRecord): object {
  const { runId, sessionId, provider, model, usage, cost } = record;
  return {
    runId,
    callId: callIdOf(record),
    sessionId,
    provider,
    model,
    resolvedRef: `${provider}/${model}`,
    harnessId: 'weighbridge',
    prompt: null,
    assistantTexts: [],
    lastAssistant: null,
    usage:
      usage === null
        ? null
        : {
            input: usage.input,
            output: usage.output,
            cacheRead: usage.cacheRead,
            cacheWrite: usage.cacheWrite + usage.cacheWrite1h,
            reasoningTokens: usage.reasoning,
            promptTokens: promptTokens(usage),
            total: usage.total,
            cost: cost === null ? null : { total: Number(cost.usd) },
          },
  };
}

function agentEnd(run: RunEndEvent): object {
  const success = run.outcome === 'completed';
  return {
    runId: run.runId,
    messages: [],
    success,
    error: success ? null : (run.errorKind ?? run.outcome),
    durationMs: run.durationMs,
  };
}

/** The second argument of a handler. Beside OpenClaw's names stand ours, by which a repeat is known. */
function hookContext(
  about: { runId: string; agentId: string | null; sessionKey: string | null; sessionId: string | null },
  { eventId, seq, delivery }: EventContext,
): object {
  const { runId, agentId, sessionKey, sessionId } = about;
  return { runId, agentId, sessionKey, sessionId, workspaceDir: null, trigger: null, eventId, seq, delivery };
}
