/**
 * Conversations that OpenClaw's clients had with OpenClaw's own gateway, sent again to this one. What a client sent is sent
 * as it was; each answer must say yes or no as the recorded one, with its error's words, and have its fields; each frame is
 * held against the published schemas. Where we differ stands in the tables below with the reason, and docs/ws.md tells it:
 * a difference that is in no table fails, and so does a row of a table that nothing needs any more.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { WireClient } from './wire/client.ts';
import { signedDevice } from './wire/device.ts';
import { startWireRig } from './wire/gateway.ts';
import { startMarkerUpstream } from './wire/marker-upstream.ts';
import type { WireFrame } from './wire/published.ts';

interface RecordedAnswer {
  ok: boolean;
  error?: { code: string; message: string; details?: unknown };
  keys?: string[] | '[]' | null;
}

interface Conversation {
  name: string;
  steps: {
    send: { type: string; id?: string; method?: string; params?: Record<string, unknown> };
    answers: RecordedAnswer[] | null;
  }[];
  events: Record<string, string[]>;
  close: [number, string] | null;
}

/** Conversations that go another way here from their first answer on, and how it ends instead. */
const OTHER_HANDSHAKES: Readonly<Record<string, string>> = {
  'handshake/bad-extra-field': 'unknown fields of `connect` are let pass',
  'handshake/proto-3-3': 'protocol 3 is spoken with everybody',
  'handshake/seed-test-client-v3': 'protocol 3 is spoken with everybody',
  'handshake/controlui-nodevice': 'a good token needs no device, and a client’s id decides nothing',
  'handshake/tui-nodevice': 'a good token needs no device, and a client’s id decides nothing',
  'handshake/webchat-nodevice': 'a good token needs no device, and a client’s id decides nothing',
  'handshake/node-role-device': 'there are no nodes here: the role is refused',
  'handshake/test-client-v4': 'what a client calls itself takes no scope away',
  'handshake/probe-v3': 'what a client calls itself takes no scope away',
  'clients/cli-gateway-probe': 'what a client calls itself takes no scope away',
  'clients/cli-remote-status': 'what a client calls itself takes no scope away',
};

/** Requests whose recorded words are OpenClaw's state or rules at that time. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  'sessions.patch: thinkingLevel': 'no model has levels of thinking here, whatever the level is called',
  'sessions.patch: outboundHeaders': 'our addition: OpenClaw refuses the field',
  'chat.send: outboundHeaders': 'our addition: OpenClaw refuses the field',
  'agent: outboundHeaders': 'our addition: OpenClaw refuses the field',
  'agent: another agent’s session': 'an agent that a session key names is looked for first',
  'agent: provider’s words': 'the provider’s own message is passed on, not rewritten',
};

/** Methods of OpenClaw that there is nothing here for: they are unknown methods, and `hello-ok` does not list them. */
const NOT_HERE = new Set([
  ...['sessions.compact', 'sessions.usage.timeseries', 'sessions.usage.logs', 'config.schema.lookup', 'last-heartbeat'],
  ...[
    'channels.status',
    'skills.status',
    'tools.catalog',
    'tools.effective',
    'tools.invoke',
    'system.info',
    'users.self',
  ],
  ...['update.status', 'sessions.groups.list', 'plugins.list', 'diagnostics.stability', 'audit.list', 'hooks.status'],
  ...['diagnostics.lanes', 'wake'],
]);

/** Fields of recorded results that we do not send, by method. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  connect: ['controlUiLinkReaders', 'controlUiWidgetKinds', 'pluginSurfaceUrls'],
  health: ['modelRuntime'],
  status: ['hostDesktop', 'modelRuntime', 'shutdownBudget', 'workerPools'],
  'chat.history': ['deltaCursor', 'nextOffset'],
  'config.get': ['agentRosterIncludeOwned', 'bindingsIncludeOwned', 'includedPaths', 'includeProvenance'],
  'cron.status': ['sqlitePath', 'storage', 'storePath', 'triggersEnabled'],
  'cron.list': ['deliveryPreviews'],
  'node.list': ['ts'],
  'chat.startup': ['sessionInfo'],
  'chat.metadata': ['accountSelection', 'runtimeSelectionLocked', 'swarmEnabled'],
  'sessions.usage': ['creatorOptions'],
  'agent.wait': ['livenessState'],
  'chat.send': ['serverTiming'],
  'models.list': ['defaultModels'],
};

/** Kinds of events that are never sent, and why. */
const NO_EVENTS: Readonly<Record<string, string>> = {
  'agent:lifecycle:fallback_step': 'a fallback is a dispatch of its own in the ledger, told by `model`',
  'agent:lifecycle:finishing': 'nothing lies between the answer and its end but the ledger’s commit',
  'agent:run_status:preparing_context': 'nothing is prepared',
  'agent:run_status:preparing_workspace': 'nothing is prepared',
  'chat:status:preparing_context': 'nothing is prepared',
  'chat:status:preparing_workspace': 'nothing is prepared',
  'chat.metadata.changed': 'there are no commands that could change',
  'chat.send_timing': 'only for OpenClaw’s own measurements',
  'session.operation': 'there is no compaction',
  task: 'there are no tasks',
  'voicewake.changed': 'there is no voice',
  'voicewake.routing.changed': 'there is no voice',
};

const upstream = await startMarkerUpstream();
after(() => upstream.close());
const models = ['mock-model', 'mock-model-b'].map((id) => ({
  id,
  name: id,
  contextWindow: 128_000,
  cost: { input: 2, output: 8, cacheRead: 0.5, cacheWrite: 0 },
}));
const rig = await startWireRig(
  { after },
  {
    agents: { entries: { main: { model: 'mock/mock-model', default: true } } },
    limits: { retriesMax: 0 },
    extra: {
      models: { providers: { mock: { baseUrl: upstream.baseUrl, api: 'openai-completions', apiKey: 'k', models } } },
    },
  },
);
const open = await startWireRig({ after }, { auth: { mode: 'none' } });

const text = readFileSync(new URL('wire/recordings.jsonl', import.meta.url), 'utf8');
const conversations = text
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Conversation);

const met = new Set<string>();
const kinds = new Set<string>();
const fields = new Map<string, Set<string>>();

for (const conversation of conversations) {
  test(`the recorded conversation ${conversation.name} goes as it went, but where a table says why not`, async () => {
    const { url, token } = conversation.name.startsWith('http-auth-none') ? open : rig;
    const client = await WireClient.challenged(url);
    for (const { send, answers } of conversation.steps) {
      const last = answers?.at(-1);
      if (last === undefined) continue;
      await step(
        client,
        conversation,
        JSON.parse(JSON.stringify(send).replaceAll('<token>', token)),
        last,
        answers!.length,
      );
      if (client.socket.readyState > 1) break;
    }
    if (conversation.close !== null && OTHER_HANDSHAKES[conversation.name] === undefined) {
      const [code, reason] = conversation.close;
      if (code === 1008 || code === 1002) assert.deepEqual(await client.closed, { code, reason });
    }
    await new Promise(setImmediate);
    for (const event of client.events) note(event);
    await client.close();
  });
}

async function step(
  client: WireClient,
  { name }: Conversation,
  send: Conversation['steps'][number]['send'],
  recorded: RecordedAnswer,
  frames: number,
): Promise<void> {
  const { method = '' } = send;
  if (send.params?.device !== undefined) resign(send.params, client.challenge!, name.includes('badsig'));
  const id = send.id ?? 'invalid';
  const answer = client.answers(
    id,
    method === 'agent' ? (frame) => (frame.payload as { status?: string })?.status !== 'accepted' : () => true,
  );
  client.raw(JSON.stringify(send));
  const given = await answer;
  const what = `${name}: ${method} ${JSON.stringify(send.params ?? {}).slice(0, 200)}`;
  if (NOT_HERE.has(method)) {
    assert.equal(given.error?.message, `unknown method: ${method}`, what);
    met.add(`method ${method}`);
    return;
  }
  if (OTHER_HANDSHAKES[name] !== undefined && isOther(given, recorded)) {
    met.add(`handshake ${name}`);
    return;
  }
  const other = otherWords(method, send.params ?? {}, recorded);
  if (other !== null && isOther(given, recorded)) {
    met.add(`words ${other}`);
    return;
  }
  assert.equal(given.ok, recorded.ok, `${what}: ${JSON.stringify(given).slice(0, 500)}`);
  if (!recorded.ok) {
    assert.deepEqual([given.error!.code, given.error!.message], [recorded.error!.code, recorded.error!.message], what);
    if (recorded.error!.details && method === 'connect')
      assert.deepEqual(given.error!.details, recorded.error!.details, what);
    return;
  }
  assert.ok(frames <= 2);
  sameFields(method, given.payload, recorded.keys ?? null, what);
}

/** A device's proof holds for one challenge: it is made anew, or left wrong where it was. */
function resign(
  params: Record<string, unknown>,
  { nonce, ts }: { nonce: string; ts: number },
  keepsWrong: boolean,
): void {
  const fresh = { nonce, signedAt: ts };
  params.device = keepsWrong ? { ...(params.device as object), ...fresh } : signedDevice(params, fresh);
}

function isOther(given: WireFrame, recorded: RecordedAnswer): boolean {
  return given.ok !== recorded.ok || given.error?.message !== recorded.error?.message;
}

function otherWords(method: string, params: Record<string, unknown>, recorded: RecordedAnswer): string | null {
  if (method === 'sessions.patch' && params.thinkingLevel !== undefined) return 'sessions.patch: thinkingLevel';
  if (params.outboundHeaders !== undefined) return `${method}: outboundHeaders`;
  if (recorded.error?.message.startsWith('Multiple agents are configured')) return 'agent: another agent’s session';
  if (method === 'agent' && recorded.error?.code === 'UNAVAILABLE') return 'agent: provider’s words';
  return null;
}

/** Each field that the recorded result had, we have, or say that we leave it out. */
function sameFields(method: string, payload: unknown, keys: string[] | '[]' | null, what: string): void {
  if (keys === '[]') {
    assert.ok(Array.isArray(payload), what);
    return;
  }
  if (keys === null) return;
  const own = new Set(Object.keys(payload as object));
  const missing = keys.filter((key) => !own.has(key));
  const allowed = LEFT_OUT[method] ?? [];
  assert.deepEqual(
    missing.filter((key) => !allowed.includes(key)),
    [],
    what,
  );
  for (const key of missing) met.add(`field ${method}.${key}`);
}

function note({ event, payload }: WireFrame): void {
  const { stream, data, state, phase } = (payload ?? {}) as {
    stream?: string;
    data?: { phase?: string };
    state?: string;
    phase?: string;
  };
  const kind =
    event === 'agent'
      ? ['agent', stream, data?.phase].filter(Boolean).join(':')
      : [event, state, phase].filter((part) => typeof part === 'string').join(':');
  const plain = event === 'agent' || event === 'chat' ? kind : event!;
  kinds.add(plain);
  const known = fields.get(plain) ?? new Set<string>();
  for (const key of Object.keys((payload ?? {}) as object)) known.add(key);
  fields.set(plain, known);
}

test('every kind of event that was recorded is sent, or the table says why not', () => {
  const recorded = new Set(conversations.flatMap(({ events }) => Object.keys(events)));
  const never = [...recorded].filter((kind) => !kinds.has(kind) && NO_EVENTS[kind] === undefined);
  // A tick comes every half minute, and presence a moment after a person came or went: they have tests of their own.
  assert.deepEqual(
    never.filter((kind) => kind !== 'tick' && kind !== 'presence'),
    [],
  );
});

test('events of a run have the fields that were recorded', () => {
  const wanted = new Map<string, Set<string>>();
  for (const { events } of conversations) {
    for (const [kind, keys] of Object.entries(events)) {
      const known = wanted.get(kind) ?? new Set<string>();
      for (const key of keys) known.add(key);
      wanted.set(kind, known);
    }
  }
  for (const kind of [
    'chat:delta',
    'chat:final',
    'chat:aborted',
    'agent:assistant',
    'agent:lifecycle:end',
    'agent:usage',
  ]) {
    const missing = [...wanted.get(kind)!].filter((key) => !fields.get(kind)!.has(key));
    // `isHeartbeat` and `lane` tell of what there is not; they are optional in the published schema.
    assert.deepEqual(
      missing.filter((key) => key !== 'isHeartbeat' && key !== 'lane'),
      [],
      kind,
    );
  }
});

test('no table explains what does not happen', () => {
  const unmet = [
    ...Object.keys(OTHER_HANDSHAKES).map((name) => `handshake ${name}`),
    ...Object.keys(OTHER_WORDS).map((name) => `words ${name}`),
    ...[...NOT_HERE].map((name) => `method ${name}`),
    ...Object.entries(LEFT_OUT).flatMap(([method, keys]) => keys.map((key) => `field ${method}.${key}`)),
  ].filter((row) => !met.has(row));
  assert.deepEqual(unmet, []);
  assert.deepEqual(
    Object.keys(NO_EVENTS).filter((kind) => kinds.has(kind)),
    [],
  );
});

test('docs/ws.md tells each of these differences', () => {
  const doc = readFileSync(new URL('../docs/ws.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');
  const reasons = [...Object.values(OTHER_HANDSHAKES), ...Object.values(OTHER_WORDS), ...Object.values(NO_EVENTS)];
  assert.deepEqual(
    [...new Set(reasons)].filter((reason) => !doc.includes(reason)),
    [],
  );
  assert.deepEqual(
    [...NOT_HERE].filter((method) => !doc.includes(`\`${method}\``)),
    [],
  );
  const left = Object.entries(LEFT_OUT).filter(
    ([method, keys]) => !doc.includes(`\`${method}\`: ${keys.map((key) => `\`${key}\``).join(' ')}`),
  );
  assert.deepEqual(
    left.map(([method]) => method),
    [],
  );
});
