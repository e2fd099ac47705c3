/** One try, as those who decide before a dispatch want it. What they ask for and cannot be is a refusal. */
import { GatewayError } from '../domain/errors.ts';
import type { DispatchChange, Interceptor } from '../domain/interceptor.ts';
import { applyPatch } from '../domain/outbound-headers.ts';
import type { Target } from '../domain/provider.ts';
import { shown } from './attribution.ts';
import type { Plan, Try } from './run.ts';

/** Always another object than `planned`: time has passed. Throws GatewayError. */
export async function intercepted(interceptor: Interceptor, plan: Plan, planned: Try): Promise<Try> {
  const { attribution, target, runId, attempt } = planned;
  const { tenantId, keyId, agentId, sessionKey, sessionId, endUserId, tags, metadata } = attribution;
  const { requestedModel, source } = plan;
  const ids = { runId, attempt, tenantId, keyId, agentId, sessionKey, sessionId, endUserId };
  const names = { provider: target.provider.id, model: target.model, requestedModel, source };
  const change = await interceptor.beforeDispatch({ ...ids, tags, metadata, ...names });
  return change === null ? { ...planned } : changedBy(change, plan, planned);
}

function changedBy({ model, tags, headers }: DispatchChange, plan: Plan, planned: Try): Try {
  const { attribution, target, outbound } = planned;
  return {
    ...planned,
    target: model === null ? target : retargeted(model, plan, target),
    attribution:
      tags.length === 0 ? attribution : { ...attribution, tags: [...new Set([...attribution.tags, ...tags])] },
    outbound: Object.keys(headers).length === 0 ? outbound : applyPatch(outbound, headers),
  };
}

function retargeted(model: string, plan: Plan, target: Target): Target {
  const found = plan.retarget?.(model, target) ?? null;
  if (found !== null) return found;
  throw new GatewayError(
    'plugin_unavailable',
    `A plugin wants the model '${shown(model)}' for this call, which cannot be asked there. Correct the plugin.`,
  );
}
