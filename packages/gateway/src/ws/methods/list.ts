/** The list: every method there is. What is not here is an unknown method, and what is here is told in `hello-ok`. */
import { type AgentMethodsDeps, agentMethods } from './agents.ts';
import { type ChatMethodsDeps, chatMethods } from './chat.ts';
import { emptyMethods } from './empty.ts';
import { type GatewayMethodsDeps, gatewayMethods } from './gateway.ts';
import type { Method } from './method.ts';
import { type SessionChangeDeps, sessionChangeMethods } from './session-changes.ts';
import { type SessionUsageDeps, sessionUsageMethods } from './session-usage.ts';
import { type SessionMethodsDeps, sessionMethods } from './sessions.ts';
import { type TurnMethodsDeps, turnMethods } from './turns.ts';
import { type UsageMethodsDeps, usageMethods } from './usage.ts';
import { type UsageEventMethodsDeps, usageEventMethods } from './usage-events.ts';

export type MethodsDeps = GatewayMethodsDeps &
  AgentMethodsDeps &
  TurnMethodsDeps &
  ChatMethodsDeps &
  SessionMethodsDeps &
  SessionChangeDeps &
  SessionUsageDeps &
  UsageMethodsDeps &
  UsageEventMethodsDeps;

export function allMethods(deps: MethodsDeps): ReadonlyMap<string, Method> {
  const list = [
    ...gatewayMethods(deps),
    ...agentMethods(deps),
    ...turnMethods(deps),
    ...chatMethods(deps),
    ...sessionMethods(deps),
    ...sessionChangeMethods(deps),
    ...sessionUsageMethods(deps),
    ...usageMethods(deps),
    ...usageEventMethods(deps),
    ...emptyMethods(),
  ];
  const byName = new Map(list.map((own) => [own.name, own]));
  if (byName.size !== list.length) throw new Error('two methods have one name');
  return byName;
}
