/**
 * Asks each plugin that decides, in the order they are configured, and lays their verdicts on one another. Each has its
 * deadline; what becomes of a call without a verdict is the operator's word. One that fails again and again is not
 * asked for a while: calls must not wait for it each time.
 */
import { GatewayError } from '../domain/errors.ts';
import type { DispatchChange, Interceptor, PlannedDispatchView } from '../domain/interceptor.ts';
import { type HeaderRules, readHeaderPatch } from '../domain/outbound-headers.ts';
import type { TaskEnd } from './child.ts';
import type { PlannedDispatch } from './definition.ts';
import type { Plugin } from './plugin.ts';

const FAILURES_MAX = 5;
const PAUSE_MS = 5_000;
const REASON_CHARS_MAX = 300;
const NAME_CHARS_MAX = 256;
const TAGS_MAX = 32;

export interface InterceptorsDeps {
  plugins: () => readonly Plugin[];
  /** Ids whose calls are refused without them, and that do not run. */
  missing: () => readonly string[];
  rules: () => HeaderRules;
  now: () => number;
}

interface Health {
  failures: number;
  /** Not asked before then; then by one call at a time, until it has answered. */
  pausedTo: number;
  isTrying: boolean;
}

type Verdict = { deny: string } | DispatchChange | null;

export class Interceptors implements Interceptor {
  readonly #deps: InterceptorsDeps;
  readonly #health = new WeakMap<Plugin, Health>();

  constructor(deps: InterceptorsDeps) {
    this.#deps = deps;
  }

  get isWanted(): boolean {
    return this.#deps.missing().length > 0 || this.#deps.plugins().some((plugin) => isAsked(plugin));
  }

  async beforeDispatch(planned: PlannedDispatchView): Promise<DispatchChange | null> {
    const [missing] = this.#deps.missing();
    if (missing !== undefined) throw unavailable(missing, 'it is not loaded');
    let change: DispatchChange | null = null;
    for (const plugin of this.#deps.plugins()) {
      if (!isAsked(plugin)) continue;
      const verdict = await this.#verdictOf(plugin, changed(planned, change));
      if (verdict === null) continue;
      if ('deny' in verdict) throw denied(plugin.id, verdict.deny);
      change = merged(change, verdict);
    }
    return change;
  }

  async #verdictOf(plugin: Plugin, dispatch: PlannedDispatch): Promise<Verdict> {
    const health = this.#healthOf(plugin);
    const wasPaused = health.pausedTo > 0;
    if (wasPaused && (health.isTrying || this.#deps.now() < health.pausedTo)) {
      return withoutVerdict(plugin, 'it failed too often just now');
    }
    health.isTrying = wasPaused;
    const end = await plugin.perform({ kind: 'intercept', dispatch }, plugin.intercept.timeoutMs);
    const verdict = this.#read(plugin, end, dispatch);
    if (wasPaused) health.isTrying = false;
    if (typeof verdict !== 'string') {
      health.failures = 0;
      health.pausedTo = 0;
      return verdict;
    }
    if (++health.failures >= FAILURES_MAX) health.pausedTo = this.#deps.now() + PAUSE_MS;
    return withoutVerdict(plugin, verdict);
  }

  /** A sentence where there is no verdict. */
  #read(plugin: Plugin, end: TaskEnd, { source }: PlannedDispatch): Verdict | string {
    if (end.end !== 'done') return end.text;
    const verdict = readVerdict(end.answer, this.#deps.rules());
    const isWrong = typeof verdict === 'object' && verdict !== null && 'model' in verdict && verdict.model !== null;
    const answer = isWrong && source === 'proxy' ? 'it changes the model of a passed request' : verdict;
    if (typeof answer === 'string') plugin.faults.badVerdicts++;
    return answer;
  }

  #healthOf(plugin: Plugin): Health {
    const health = this.#health.get(plugin) ?? { failures: 0, pausedTo: 0, isTrying: false };
    this.#health.set(plugin, health);
    return health;
  }
}

function isAsked(plugin: Plugin): boolean {
  return plugin.intercepts && (plugin.status === 'running' || plugin.status === 'restarting');
}

/** What a plugin answered, made sure of; a sentence where it makes no sense. */
export function readVerdict(answer: unknown, rules: HeaderRules): Verdict | string {
  if (answer === null || answer === undefined) return null;
  if (typeof answer !== 'object' || Array.isArray(answer)) return 'its verdict is no object';
  const { deny, model = null, tags = [], headers = {}, ...rest } = answer as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  // A misspelt denial must not let a call pass.
  if (unknown !== undefined) return 'its verdict has a field that there is not';
  if (deny !== undefined) {
    const reason = (deny as { reason?: unknown } | null)?.reason;
    return { deny: typeof reason === 'string' && reason !== '' ? reason : 'no reason was given' };
  }
  if (model !== null && !isName(model)) return 'the model of its verdict is no name';
  if (!Array.isArray(tags) || tags.length > TAGS_MAX || !tags.every(isTag)) return 'the tags of its verdict are none';
  try {
    const patch = readHeaderPatch(headers, rules, PLUGIN) ?? {};
    const given = Object.entries(patch).filter((entry): entry is [string, string] => entry[1] !== null);
    return { model, tags: tags as string[], headers: Object.fromEntries(given) };
  } catch (error) {
    return error instanceof GatewayError ? error.message : 'the headers of its verdict are none';
  }
}

/** Header rules ask who sets them; a plugin is the operator's. */
const PLUGIN = { tenantId: '', keyId: null, scopes: new Set<never>() };

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= NAME_CHARS_MAX && value.isWellFormed();
}

function isTag(value: unknown): boolean {
  return isName(value) && !value.includes(',') && !value.includes('\0');
}

function changed(planned: PlannedDispatchView, change: DispatchChange | null): PlannedDispatch {
  const [model, tags] = [change?.model ?? planned.model, change?.tags ?? []];
  const names = { agent_id: planned.agentId, session_id: planned.sessionId };
  return { ...planned, model, tags: [...planned.tags, ...tags], ...names };
}

function merged(before: DispatchChange | null, next: DispatchChange): DispatchChange {
  if (before === null) return next;
  return {
    model: next.model ?? before.model,
    tags: [...before.tags, ...next.tags],
    headers: { ...before.headers, ...next.headers },
  };
}

function withoutVerdict(plugin: Plugin, why: string): null {
  if (plugin.intercept.onFailure === 'failOpen') return null;
  throw unavailable(plugin.id, why);
}

function denied(id: string, reason: string): GatewayError {
  return new GatewayError('denied_by_plugin', `The plugin '${id}' denied this call: ${shown(reason)}`);
}

function unavailable(id: string, why: string): GatewayError {
  return new GatewayError(
    'plugin_unavailable',
    `The plugin '${id}' must decide on every call and did not: ${shown(why)}. Send the call again later.`,
    { retryAfterSeconds: 1 },
  );
}

function shown(text: string): string {
  return text.slice(0, REASON_CHARS_MAX).replace(/\p{C}/gu, ' ');
}
