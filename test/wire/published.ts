/**
 * The oracle of the WebSocket tests: OpenClaw's published JSON schemas, read by themselves and not through the gateway's
 * code. Every frame that a test's client gets goes through here; what has no published schema is told by `unpublished`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

interface Schema {
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}

export interface WireFrame {
  type: 'req' | 'res' | 'event';
  id?: string;
  ok?: boolean;
  event?: string;
  payload?: unknown;
  error?: { code: string; message: string; details?: Record<string, unknown>; retryAfterMs?: number };
  seq?: number;
  stateVersion?: unknown;
}

const file = new URL('../protocol.schema.json', import.meta.resolve('@openclaw/gateway-protocol'));
const { definitions, methods } = JSON.parse(readFileSync(file, 'utf8')) as {
  definitions: Record<string, Schema>;
  methods: Record<string, { scope: string }>;
};
const ajv = new Ajv({ strict: false, validateSchema: false, meta: false, logger: false });
const compiled = new Map<string, ValidateFunction>();

export const publishedMethods = methods;

/** The names of a schema's fields; null: of none. */
export function fieldsOf(name: string | null): string[] {
  return name === null ? [] : Object.keys(definitions[name]!.properties!);
}

/** The real gateway sends these with each `agent` event, and its clients read them; the published schema lacks them. */
const AGENT_EVENT_FIELDS = {
  sessionKey: { type: 'string' },
  sessionId: { type: 'string' },
  agentId: { type: 'string' },
};

const EVENTS: Readonly<Record<string, () => Schema>> = {
  agent: () => withFields(definitions.AgentEvent!, AGENT_EVENT_FIELDS),
  chat: () => definitions.ChatEvent!,
  tick: () => definitions.TickEvent!,
  shutdown: () => definitions.ShutdownEvent!,
  health: () => definitions.Snapshot!.properties!.health!,
  presence: () => ({
    type: 'object',
    required: ['presence'],
    properties: { presence: { type: 'array', items: definitions.PresenceEntry! } },
    additionalProperties: false,
  }),
};

const RESULTS: Readonly<Record<string, string>> = {
  connect: 'HelloOk',
  'agents.list': 'AgentsListResult',
  'agent.identity.get': 'AgentIdentityResult',
  'models.list': 'ModelsListResult',
  'logs.tail': 'LogsTailResult',
  'commands.list': 'CommandsListResult',
  'question.list': 'QuestionListResult',
  'sessions.create': 'SessionsCreateResult',
  'sessions.resolve': 'SessionsResolveResult',
  'sessions.delete': 'SessionsDeleteResult',
};

/** Results and events that were seen and have no published schema: their frames were checked, their payloads were not. */
export const unpublished = new Set<string>();

/** Throws where a frame is not as published. `method`: what a `res` answers. */
export function assertPublished(frame: WireFrame, method: string | null): void {
  if (frame.type === 'event') {
    assertValid('EventFrame', frame);
    const schema = EVENTS[frame.event!];
    if (schema !== undefined) assertValidBy(`event ${frame.event}`, schema, frame.payload);
    else if (frame.event !== 'connect.challenge') unpublished.add(`event ${frame.event}`);
    return;
  }
  assertValid('ResponseFrame', frame);
  if (!frame.ok || method === null) return;
  const name = RESULTS[method];
  if (name === undefined) unpublished.add(`result ${method}`);
  else assertValid(name, frame.payload);
}

export function assertValid(name: string, value: unknown): void {
  const schema = definitions[name];
  assert.ok(schema, `the protocol publishes ${name}`);
  assertValidBy(name, () => schema, value);
}

function assertValidBy(name: string, schema: () => Schema, value: unknown): void {
  let validate = compiled.get(name);
  if (validate === undefined) {
    validate = ajv.compile(schema());
    compiled.set(name, validate);
  }
  if (validate(value)) return;
  assert.fail(
    `${name} is not as published: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value).slice(0, 2000)}`,
  );
}

function withFields(schema: Schema, fields: Record<string, Schema>): Schema {
  return { ...schema, properties: { ...schema.properties, ...fields } };
}
