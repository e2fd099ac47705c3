/**
 * Route events for a token-governance layer: one line of JSON for each dispatch, and daily token budgets for agents and
 * lanes. A lane is a tag `lane:NAME` of the call. The file is the memory: it is read at start, and an event that comes
 * twice is known by its id, so that a restart counts nothing twice.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DispatchCompleteEvent, definePlugin, type PluginLog } from 'weighbridge/plugin';

interface Config {
  file: string;
  /** Tokens of a day, UTC. */
  budgets?: { agents?: Record<string, number>; lanes?: Record<string, number> };
  /** Share of a budget at which is warned. */
  alertAt?: number;
  /** Deny what is beyond a budget. */
  enforce?: boolean;
}

interface RouteEvent {
  type: 'route';
  id: string;
  at: string;
  agent: string | null;
  lane: string;
  session: string | null;
  model: string;
  status: string | null;
  latencyMs: number | null;
  tokens: number;
}

const LANE = 'lane:';

class Budgets {
  readonly #config: Config;
  readonly #log: PluginLog;
  /** Today's. */
  #day = '';
  readonly #known = new Set<string>();
  readonly #used = new Map<string, number>();
  readonly #warned = new Set<string>();

  constructor(config: Config, log: PluginLog) {
    this.#config = config;
    this.#log = log;
    mkdirSync(dirname(config.file), { recursive: true });
    if (!existsSync(config.file)) return;
    for (const line of readFileSync(config.file, 'utf8').split('\n')) {
      const event = parsed(line);
      if (event?.type === 'route') this.#count(event, false);
    }
  }

  record(event: RouteEvent): void {
    this.#turnDay(event.at);
    if (this.#known.has(event.id)) return;
    appendFileSync(this.#config.file, `${JSON.stringify(event)}\n`);
    this.#count(event, true);
  }

  /** The first budget that is used up; null: none. */
  exceeded(agent: string | null, lane: string): string | null {
    this.#turnDay(new Date().toISOString());
    const over = this.#of(agent, lane).find(({ key, tokens }) => (this.#used.get(key) ?? 0) >= tokens);
    return over === undefined ? null : over.key;
  }

  #count(event: RouteEvent, warns: boolean): void {
    this.#turnDay(event.at);
    if (event.at.slice(0, 10) !== this.#day) return;
    this.#known.add(event.id);
    for (const { key, tokens } of this.#of(event.agent, event.lane)) {
      const used = (this.#used.get(key) ?? 0) + event.tokens;
      this.#used.set(key, used);
      if (used < tokens * (this.#config.alertAt ?? 0.8) || this.#warned.has(key)) continue;
      this.#warned.add(key);
      if (warns) this.#warn(key, used, tokens);
    }
  }

  #warn(key: string, used: number, tokens: number): void {
    const alert = { type: 'alert', at: new Date().toISOString(), budget: key, used, tokens };
    appendFileSync(this.#config.file, `${JSON.stringify(alert)}\n`);
    this.#log.warn(`${key} has used ${used} of ${tokens} tokens today`);
  }

  #of(agent: string | null, lane: string): { key: string; tokens: number }[] {
    const { agents = {}, lanes = {} } = this.#config.budgets ?? {};
    const budgets: { key: string; tokens: number | undefined }[] = [
      { key: `agent ${agent}`, tokens: agent === null ? undefined : agents[agent] },
      { key: `lane ${lane}`, tokens: lanes[lane] },
    ];
    return budgets.filter((one): one is { key: string; tokens: number } => one.tokens !== undefined);
  }

  #turnDay(at: string): void {
    const day = at.slice(0, 10);
    if (day <= this.#day) return;
    this.#day = day;
    this.#known.clear();
    this.#used.clear();
    this.#warned.clear();
  }
}

let budgets: Budgets | null = null;

export default definePlugin<Config>({
  id: 'route-events',

  onModelDispatchComplete(event, { eventId, timestamp, config, log }) {
    budgets ??= new Budgets(config, log);
    budgets.record(routeOf(event, eventId, timestamp));
  },

  beforeModelDispatch({ agent_id, tags }, { config, log }) {
    if (!config.enforce) return null;
    budgets ??= new Budgets(config, log);
    const over = budgets.exceeded(agent_id, laneOf(tags));
    return over === null ? null : { deny: { reason: `${over} has used up its tokens of today` } };
  },
});

function routeOf(event: DispatchCompleteEvent, id: string, at: string): RouteEvent {
  const { agent_id, session_id, sessionKey, model, status, latency_ms, usage, tags } = event;
  return {
    type: 'route',
    id,
    at,
    agent: agent_id,
    lane: laneOf(tags),
    session: session_id ?? sessionKey,
    model,
    status,
    latencyMs: latency_ms,
    tokens: usage?.total_tokens ?? 0,
  };
}

function laneOf(tags: readonly string[]): string {
  return tags.find((tag) => tag.startsWith(LANE))?.slice(LANE.length) ?? 'default';
}

function parsed(line: string): RouteEvent | null {
  try {
    return JSON.parse(line) as RouteEvent;
  } catch {
    // The last line, where the machine stopped in the middle of it: its event comes again.
    return null;
  }
}
