/**
 * The agents, from `agents.list` and `agents.entries`, and which of them `openclaw/default` is. Without any there is
 * `main`, if it is clear which model it would use. Pure; refusals go to the findings.
 */
import type { Agent } from '../domain/agent.ts';
import { RESERVED_NAMES } from '../domain/agent.ts';
import type { GatewayConfig } from '../domain/config.ts';
import type { Provider } from '../domain/provider.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import { nearest } from './nearest.ts';
import type { AgentTree, FileTree, ModelChoice } from './tree.ts';
import { VENDORS, vendorById } from './vendors.ts';

type Providers = ReadonlyMap<string, Provider>;

interface Listed {
  id: string;
  path: string;
  entry: AgentTree;
}

interface Choice {
  model: string;
  fallbacks: readonly string[];
}

/** `openclaw/default` is a model name of its own: an agent of that id could never be called. */
export const REFUSED_NAMES: readonly string[] = [...RESERVED_NAMES, 'default'];

const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export function decideAgents(tree: FileTree | null, providers: Providers, findings: Findings): GatewayConfig['agents'] {
  const defaults = tree?.agents?.defaults?.model;
  const common = defaults === undefined ? onlyModel(providers) : choiceOf(defaults);
  if (defaults !== undefined) checkChoice(choiceOf(defaults), 'agents.defaults.model', providers, findings);
  const listed = listedAgents(tree, findings);
  if (listed.length === 0) return implicitAgent(common, findings);
  const byId = new Map<string, Agent>();
  for (const { id, path, entry } of listed) {
    const choice = entry.model === undefined ? common : choiceOf(entry.model);
    if (choice === null) {
      report(findings, `${path}.model`, 'is missing.', 'Give it, or `agents.defaults.model` for all agents.');
      continue;
    }
    if (entry.model !== undefined) checkChoice(choice, `${path}.model`, providers, findings);
    byId.set(id, { id, ...choice, instructions: entry.instructions ?? null });
  }
  return { byId, defaultId: defaultOf(listed, findings) };
}

function implicitAgent(common: Choice | null, findings: Findings): GatewayConfig['agents'] {
  if (common !== null) {
    return { byId: new Map([['main', { id: 'main', ...common, instructions: null }]]), defaultId: 'main' };
  }
  findings.warnings.push(
    'no agent is configured, so only models named as "provider/model" answer; `agents.defaults.model` makes the agent "main"',
  );
  return { byId: new Map(), defaultId: null };
}

function listedAgents(tree: FileTree | null, findings: Findings): Listed[] {
  const listed: Listed[] = [];
  const seen = new Set<string>();
  const add = (givenId: string | undefined, path: string, entry: AgentTree) => {
    const id = checkId(givenId, path, findings);
    if (id === null) return;
    if (seen.has(id)) report(findings, path, `the agent "${id}" is configured twice.`, 'Keep one of the two.');
    seen.add(id);
    listed.push({ id, path, entry });
  };
  for (const [index, entry] of (tree?.agents?.list ?? []).entries()) add(entry.id, `agents.list[${index}]`, entry);
  for (const [id, entry] of Object.entries(tree?.agents?.entries ?? {})) add(id, `agents.entries.${id}`, entry);
  return listed;
}

function checkId(given: string | undefined, path: string, findings: Findings): string | null {
  if (given === undefined) {
    report(findings, `${path}.id`, 'is missing.');
    return null;
  }
  // Session keys are lower-cased, and an agent's id is part of them.
  const id = given.trim().toLowerCase();
  if (REFUSED_NAMES.includes(id)) {
    report(findings, path, `"${given}" is a reserved name.`, `Reserved are ${REFUSED_NAMES.join(', ')}.`);
    return null;
  }
  if (ID.test(id)) return id;
  report(findings, path, `"${given}" is not an agent id.`, 'Use up to 64 letters, digits, dashes, underscores.');
  return null;
}

function defaultOf(listed: readonly Listed[], findings: Findings): string | null {
  const marked = listed.filter(({ entry }) => entry.default === true);
  const second = marked[1];
  if (second !== undefined) {
    report(findings, `${second.path}.default`, `"${marked[0]!.id}" is the default agent already.`, 'Mark only one.');
  }
  if (marked[0] !== undefined) return marked[0].id;
  return listed.length === 1 ? listed[0]!.id : null;
}

/** The one model that is configured, if there is exactly one: then nobody can have meant another. */
function onlyModel(providers: Providers): Choice | null {
  const references = [...providers.values()].flatMap(({ id, models }) => models.map((model) => `${id}/${model.id}`));
  return references.length === 1 ? { model: references[0]!, fallbacks: [] } : null;
}

function choiceOf(choice: ModelChoice): Choice {
  if (typeof choice === 'string') return { model: choice, fallbacks: [] };
  return { model: choice.primary, fallbacks: choice.fallbacks };
}

function checkChoice(choice: Choice, path: string, providers: Providers, findings: Findings): void {
  for (const reference of [choice.model, ...choice.fallbacks]) checkReference(reference, path, providers, findings);
}

function checkReference(reference: string, path: string, providers: Providers, findings: Findings): void {
  const slash = reference.indexOf('/');
  const providerId = reference.slice(0, slash);
  if (slash < 1 || slash === reference.length - 1) {
    report(findings, path, `"${reference}" does not name a model.`, 'Write "provider/model".');
    return;
  }
  // A problem with a provider is reported there; what follows from it here is noise.
  if (
    providers.has(providerId) ||
    findings.problems.some((problem) => problem.path.startsWith(`models.providers.${providerId}`))
  )
    return;
  const vendor = vendorById(providerId);
  const meant = nearest(providerId, [...providers.keys(), ...VENDORS.map(({ id }) => id)]);
  if (vendor === null && meant !== null) {
    report(findings, path, `"${providerId}" is not a configured provider.`, `Did you mean "${meant}"?`);
    return;
  }
  // OpenClaw has providers that we do not; its file must still be readable, so this is not an error.
  const fix = vendor === null ? `add models.providers.${providerId}` : `set ${vendor.keyVariables[0]}`;
  findings.warnings.push(`${path}: no provider "${providerId}" is configured, so ${reference} cannot answer; ${fix}`);
}
