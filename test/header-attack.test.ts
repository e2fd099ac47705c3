/**
 * Outbound headers under attack, on the whole program: what must never be sent is refused when it is set, at every door and
 * by every way of setting, with a refusal that shows no value; and what a request then is on the wire is read from raw bytes.
 * What is tried is header-attack/table.ts.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadConfig } from '../packages/gateway/src/config/load.ts';
import { type Gateway, startGateway } from '../packages/gateway/src/gateway.ts';
import type { Session } from '../packages/gateway/src/sessions/session.ts';
import type { Sessions } from '../packages/gateway/src/sessions/sessions.ts';
import { attacks, CANARY, smuggled } from './header-attack/table.ts';
import { scratchDirectory } from './rig/gateway-process.ts';
import { namesOf, RawUpstream, valuesOf } from './rig/raw-upstream.ts';
import { WireClient } from './wire/client.ts';

const MESSAGES = [{ role: 'user', content: 'hi' }];
const chat = (model: string) => ({ path: '/v1/chat/completions', body: { model, messages: MESSAGES } });

/** Every dialect's door, every dialect behind the chat door, and the pass-through in each. */
const DOORS: Readonly<Record<string, { path: string; body: object }>> = {
  'chat completions': chat('completions/m'),
  'chat served by Anthropic': chat('anthropic/m'),
  'chat served by Gemini': chat('google/m'),
  embeddings: { path: '/v1/embeddings', body: { model: 'completions/m', input: 'hi' } },
  responses: { path: '/v1/responses', body: { model: 'responses/m', input: 'hi' } },
  messages: { path: '/v1/messages', body: { model: 'anthropic/m', max_tokens: 9, messages: MESSAGES } },
  'count tokens': { path: '/v1/messages/count_tokens', body: { model: 'anthropic/m', messages: MESSAGES } },
  'proxy to chat completions': {
    path: '/proxy/completions/v1/chat/completions',
    body: { model: 'm', messages: MESSAGES },
  },
  'proxy to responses': { path: '/proxy/responses/v1/responses', body: { model: 'm', input: 'hi' } },
  'proxy to Anthropic': {
    path: '/proxy/anthropic/v1/messages',
    body: { model: 'm', max_tokens: 9, messages: MESSAGES },
  },
  'proxy to Gemini': { path: '/proxy/google/v1beta/models/m:generateContent', body: { contents: [] } },
  'proxy to anything': { path: '/proxy/completions/v1/files', body: {} },
};
const CREDENTIALS = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'];
const POISONED = 'agent:main:poisoned';
const ATTACKED = 'agent:main:attacked';
const HEADER = 'x-weighbridge-outbound-headers';

const scratch = scratchDirectory({ after });
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
let upstream: RawUpstream;
let gateway: Gateway;
let token: string;

before(async () => {
  upstream = await RawUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream-key' });
  const file = join(scratch, 'config.json5');
  writeFileSync(
    file,
    JSON.stringify({
      gateway: { http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } } },
      agents: { entries: { main: { model: 'completions/m', default: true } } },
      limits: { socketRequestsPerSecondMax: 1_000_000, socketRequestsMax: 10_000 },
      models: {
        mode: 'replace',
        providers: {
          completions: provider('openai-completions', '/v1'),
          responses: provider('openai-responses', '/v1'),
          anthropic: provider('anthropic-messages', '/v1'),
          google: provider('google-generate', '/v1beta'),
        },
      },
    }),
  );
  const flags = { config: file, stateDir: join(scratch, 'state'), port: '0' };
  const { config, secrets } = await loadConfig({ flags, variables: {}, createToken: true });
  token = secrets.token!.reveal();
  gateway = await startGateway(config, secrets, { wrapSessions: poisoned });
  // The pass-through makes no session; it sends what one has.
  const { path, body } = chat('completions/m');
  await ask(path, { 'x-openclaw-session-key': POISONED }, body);
});

after(async () => {
  agent.destroy();
  await gateway?.close();
  await upstream?.close();
});

/** The session of that key has what no session may have. */
function poisoned(sessions: Sessions): Sessions {
  const outboundHeaders = { 'x-ok': '1', ...smuggled() };
  const bad = <Found extends Session | null>(found: Found): Found =>
    found?.sessionKey === POISONED ? { ...found, outboundHeaders } : found;
  return new Proxy(sessions, {
    get(real, name) {
      const found: unknown = Reflect.get(real, name, real);
      if (name !== 'open' && name !== 'snapshot') return typeof found === 'function' ? found.bind(real) : found;
      return async (tenantId: string, key: string) => bad(await real[name](tenantId, key));
    },
  });
}

function ask(
  path: string,
  headers: Record<string, string>,
  body: object | string,
  method = 'POST',
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(gateway.url);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const sent = httpRequest({
    ...{ hostname, port, path, agent, method },
    headers: { 'x-weighbridge-key': token, 'content-type': 'application/json', ...headers },
  });
  sent.on('error', reject);
  sent.on('response', (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    response.on('end', () => resolve({ status: response.statusCode!, text }));
  });
  sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  return promise;
}

/** A request that sets headers, its JSON text around theirs; it is another one each time. */
type Setting = (headers: string, id: string) => string;

const request =
  (method: string, params: (id: string) => object): Setting =>
  (headers, id) => {
    const { length } = JSON.stringify(params(id));
    const open = JSON.stringify(params(id)).slice(0, length - 1);
    return `{"type":"req","id":"${id}","method":"${method}","params":${open},"outboundHeaders":${headers}}}`;
  };

/** Every method of the WebSocket that takes headers. */
const METHODS: Readonly<Record<string, Setting>> = {
  agent: request('agent', (id) => ({ sessionKey: ATTACKED, message: 'hi', idempotencyKey: id })),
  'chat.send': request('chat.send', (id) => ({ sessionKey: ATTACKED, message: 'hi', idempotencyKey: id })),
  'sessions.send': request('sessions.send', () => ({ key: ATTACKED, message: 'hi' })),
  'sessions.patch': request('sessions.patch', () => ({ key: ATTACKED })),
  'sessions.create': request('sessions.create', () => ({ key: ATTACKED })),
};

const table = attacks();

describe('an attack', () => {
  for (const [door, { path, body }] of Object.entries(DOORS)) {
    test(`that got into a session all the same is not sent by the door ${door}`, async () => {
      upstream.received.length = 0;
      const { status } = await ask(path, { 'x-openclaw-session-key': POISONED }, body);
      assert.equal(status, 200);
      const [request] = upstream.received;
      assert.deepEqual(valuesOf(request!, 'x-ok'), ['1']);
      assert.ok(!request!.head.includes(CANARY), request!.head);
    });

    test(`is refused at the door ${door} by its rule, and no request follows`, async () => {
      upstream.received.length = 0;
      const wrong: string[] = [];
      await Promise.all(
        table.map(async ({ title, json }) => {
          const { status, text } = await ask(path, { [HEADER]: json }, body);
          if (status !== 400 || !/header|Header/.test(text) || text.includes(CANARY))
            wrong.push(`${title}: ${status} ${text}`);
        }),
      );
      assert.deepEqual(wrong.slice(0, 5), []);
      assert.equal(upstream.received.length, 0);
    });

    test(`has no allowed header to hide behind at the door ${door}`, async () => {
      upstream.received.length = 0;
      const { status } = await ask(path, { [HEADER]: '{"X-Ok":" 1 ","x-litellm-tags":"a"}' }, body);
      assert.equal(status, 200);
      const [request] = upstream.received;
      const names = namesOf(request!);
      assert.deepEqual([valuesOf(request!, 'x-ok'), valuesOf(request!, 'x-litellm-tags')], [['1'], ['a']]);
      assert.deepEqual(
        names.filter((name, at) => names.indexOf(name) !== at),
        [],
        'a name twice',
      );
      assert.equal(names.filter((name) => CREDENTIALS.includes(name)).length, 1);
      assert.ok(request!.head.includes('sk-upstream-key'));
      assert.ok(!request!.head.includes(token));
      assert.deepEqual(valuesOf(request!, 'host'), [new URL(upstream.origin).host]);
      assert.equal(Number(valuesOf(request!, 'content-length')[0]), request!.body.length);
      assert.deepEqual(
        names.filter((name) => name.startsWith('x-weighbridge-')),
        ['x-weighbridge-hop'],
      );
    });
  }

  for (const [method, setting] of Object.entries(METHODS)) {
    test(`is refused by the method ${method}, makes no session, and is followed by no request`, async (t) => {
      upstream.received.length = 0;
      const client = await WireClient.connect(gateway.url, { token });
      t.after(() => client.close());
      const answers = table.map(async ({ title, json }, at) => {
        // What is nested too deeply is not read, and so has no id.
        const answer = client.answer(title === 'nested deeply' ? 'invalid' : `${method}-${at}`);
        client.raw(setting(json, `${method}-${at}`));
        const { ok, error } = await answer;
        return ok || error!.code !== 'INVALID_REQUEST' || JSON.stringify(error).includes(CANARY)
          ? [`${title}: ${JSON.stringify(error)}`]
          : [];
      });
      assert.deepEqual((await Promise.all(answers)).flat().slice(0, 5), []);
      assert.equal(upstream.received.length, 0);
      assert.deepEqual(await client.request('sessions.describe', { key: ATTACKED }), { session: null });
    });
  }

  test('is refused by PATCH of a session, and makes none', async () => {
    const path = `/api/v1/sessions/${ATTACKED}`;
    const wrong = table.map(async ({ title, json }) => {
      const { status, text } = await ask(path, {}, `{"outboundHeaders":${json}}`, 'PATCH');
      return status !== 400 || text.includes(CANARY) ? [`${title}: ${status} ${text}`] : [];
    });
    assert.deepEqual((await Promise.all(wrong)).flat().slice(0, 5), []);
    assert.equal((await ask(path, {}, '', 'GET')).status, 404);
  });

  test('is not what a good header is, which each of them takes', async () => {
    const client = await WireClient.connect(gateway.url, { token });
    const path = `/api/v1/sessions/${ATTACKED}`;
    for (const [method, setting] of Object.entries(METHODS).toReversed()) {
      const answer = client.answers(method, ({ payload }) => (payload as { status?: string })?.status !== 'accepted');
      client.raw(setting(`{"X-Ok":" ${method} ","x-gone":null}`, method));
      assert.equal((await answer).ok, true, method);
      const { session } = await client.request<{ session: { outboundHeaderNames: string[]; activeRunIds: string[] } }>(
        'sessions.describe',
        { key: ATTACKED },
      );
      for (const runId of session.activeRunIds) await client.request('agent.wait', { runId });
      if (!method.startsWith('sessions.') || method === 'sessions.send') {
        assert.deepEqual(valuesOf(upstream.received.at(-1)!, 'x-ok'), [method]);
      } else assert.deepEqual(session.outboundHeaderNames, ['x-ok']);
    }
    assert.equal((await ask(path, {}, '{"outboundHeaders":{"X-Ok":null}}', 'PATCH')).status, 200);
    assert.match((await ask(path, {}, '', 'GET')).text, /"outboundHeaders":\[\]/);
    await client.close();
  });

  test('is one of hundreds, of every kind', () => {
    assert.ok(table.length > 600, `${table.length}`);
    assert.equal(new Set(table.map(({ title }) => title)).size, table.length);
  });
});
