/**
 * The WebSocket door through the whole program: who is let in and how it is told, what frames may be, and that whatever
 * comes back is as OpenClaw publishes it.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WireClient, WireRefusal } from './wire/client.ts';
import { startWireRig } from './wire/gateway.ts';

const rig = await startWireRig({ after });

function refusal(code: string, message: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WireRefusal, String(error));
    assert.equal(error.code, code);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

test('a client with the token connects and is greeted as published', async () => {
  const client = await WireClient.connect(rig.url, { token: rig.token });
  assert.equal(client.hello.type, 'hello-ok');
  assert.equal(client.hello.protocol, 4);
  const health = await client.event('health');
  assert.equal(health.seq, 1);
  assert.deepEqual(client.hello.auth, {
    role: 'operator',
    scopes: ['operator.admin', 'operator.read', 'operator.write'],
  });
  const status = await client.request('status');
  assert.equal(typeof status.runtimeVersion, 'string');
  await client.close();
});

test('a protocol-3 client with a token and no scopes gets the operator’s', async () => {
  const client = await WireClient.connect(rig.url, {
    token: rig.token,
    scopes: null,
    minProtocol: 3,
    maxProtocol: 3,
    client: { id: 'test', mode: 'test', platform: 'node-test' },
  });
  assert.equal(client.hello.protocol, 3);
  const { scopes } = client.hello.auth as { scopes: string[] };
  assert.ok(scopes.includes('operator.admin') && scopes.includes('operator.write'));
  assert.ok(await client.request('status'));
  await client.close();
});

test('a client that asks for no scopes under protocol 4 gets none, and hears which one it lacks', async () => {
  const client = await WireClient.connect(rig.url, { token: rig.token, scopes: null });
  assert.equal((await client.request('health')).ok, true);
  await assert.rejects(client.request('status'), (error: WireRefusal) => {
    assert.deepEqual(error.frame.error, {
      code: 'FORBIDDEN',
      message: 'missing scope: operator.read',
      details: { code: 'MISSING_SCOPE', missingScope: 'operator.read', requiredScopes: ['operator.read'] },
    });
    return true;
  });
  await client.close();
});

test('every way to fail a handshake is told, and closed as recorded', async () => {
  const cases: [string, Parameters<WireClient['greet']>[0], string, string | RegExp, number][] = [
    [
      'a wrong token',
      { token: 'wrong' },
      'INVALID_REQUEST',
      'unauthorized: gateway token mismatch (provide gateway auth token)',
      1008,
    ],
    ['no credential', {}, 'NOT_PAIRED', 'device identity required', 1008],
    [
      'a protocol of tomorrow',
      { token: rig.token, minProtocol: 5, maxProtocol: 6 },
      'INVALID_REQUEST',
      'protocol mismatch',
      1002,
    ],
    [
      'a protocol of yesterday',
      { token: rig.token, minProtocol: 1, maxProtocol: 2 },
      'INVALID_REQUEST',
      'protocol mismatch',
      1002,
    ],
    ['another role', { token: rig.token, extra: { role: 'king' } }, 'INVALID_REQUEST', 'invalid role', 1008],
    [
      'an unknown client',
      { token: rig.token, client: { id: 'my-own' } },
      'INVALID_REQUEST',
      'invalid connect params: at /client/id: must be equal to one of the allowed values',
      1008,
    ],
    [
      'an unknown mode',
      { token: rig.token, client: { mode: 'operator' } },
      'INVALID_REQUEST',
      'invalid connect params: at /client/mode: must be equal to one of the allowed values',
      1008,
    ],
    [
      'a device that is none',
      { token: rig.token, extra: { device: { id: 'x', publicKey: 'x', signature: 'x', signedAt: 1, nonce: 'x' } } },
      'INVALID_REQUEST',
      /device/,
      1008,
    ],
  ];
  for (const [what, options, code, message, closeCode] of cases) {
    const client = await WireClient.challenged(rig.url);
    await assert.rejects(client.greet(options), refusal(code, message), what);
    assert.equal((await client.closed).code, closeCode, what);
    assert.deepEqual(client.faults, []);
  }
});

test('fields that a newer client adds to connect are let pass', async () => {
  const client = await WireClient.connect(rig.url, {
    token: rig.token,
    client: { fromTomorrow: true },
    extra: { modelCatalog: { since: 1 }, another: [1] },
  });
  await client.close();
});

test('a first frame that is no connect ends the connection', async () => {
  const client = await WireClient.challenged(rig.url);
  await assert.rejects(
    client.request('health'),
    refusal('INVALID_REQUEST', 'invalid handshake: first request must be connect'),
  );
  assert.deepEqual(await client.closed, { code: 1008, reason: 'invalid handshake: first request must be connect' });
});

test('broken frames after connect are answered in OpenClaw’s words and close nothing', async () => {
  const client = await WireClient.connect(rig.url, { token: rig.token });
  const cases: [string, string, string][] = [
    ['invalid', '{"type":"req","method":"health"}', "invalid request frame: must have required property 'id'"],
    [
      '1',
      '{"type":"nope","id":"1"}',
      "invalid request frame: must have required property 'method'; at /type: must be equal to constant",
    ],
    [
      '9',
      '{"type":"req","id":"9","method":"health","foo":1}',
      "invalid request frame: at root: unexpected property 'foo'",
    ],
    ['10', '{"type":"req","id":"10","method":"connect","params":{}}', 'connect is only valid as the first request'],
    ['11', '{"type":"req","id":"11","method":"no.such.method"}', 'unknown method: no.such.method'],
    [
      '12',
      '{"type":"req","id":"12","method":"logs.tail","params":{"limit":"x"}}',
      'invalid logs.tail params: at /limit: must be integer',
    ],
    [
      '13',
      '{"type":"req","id":"13","method":"config.get","params":{"a":1}}',
      "invalid config.get params: at root: unexpected property 'a'",
    ],
    [
      '14',
      '{"type":"req","id":"14","method":"models.list","params":{"view":"bogus"}}',
      'invalid models.list params: at /view: must be equal to constant; at /view: must match a schema in anyOf',
    ],
  ];
  for (const [id, text, message] of cases) {
    const answer = client.answer(id);
    client.raw(text);
    assert.deepEqual((await answer).error, { code: 'INVALID_REQUEST', message }, text);
  }
  client.raw('not json at all');
  client.raw('[1,2]');
  client.raw(Buffer.from([0xff, 0xfe, 0x7b]));
  const binary = client.answer('b1');
  client.raw(Buffer.from('{"type":"req","id":"b1","method":"health"}'));
  assert.equal((await binary).ok, true, 'a binary frame that holds JSON is answered');
  await client.close();
});

test('the methods that the list names answer on an empty gateway, each as published where it is', async () => {
  const client = await WireClient.connect(rig.url, {
    token: rig.token,
    scopes: ['operator.admin'],
  });
  const { methods } = client.hello.features as { methods: string[] };
  const params: Record<string, object> = {};
  for (const name of methods) {
    if (params[name] === undefined && /^(agent|agent\.wait|chat\.|sessions\.)/.test(name)) continue;
    assert.ok(await client.request(name, params[name] ?? {}), name);
  }
  await client.close();
});

test('who is here is told when somebody who sits at a client comes and goes, and of programs not at all', async () => {
  const client = await WireClient.connect(rig.url, { token: rig.token });
  const modes = (payload: { presence: { mode: string }[] }): string[] => payload.presence.map(({ mode }) => mode);
  const program = await WireClient.connect(rig.url, { token: rig.token });
  const person = await WireClient.connect(rig.url, { token: rig.token, client: { mode: 'ui' } });
  await client.event('presence', (payload) => modes(payload).filter((mode) => mode === 'ui').length === 1);
  assert.equal(client.events.filter(({ event }) => event === 'presence').length, 1, 'the program was told of by none');
  await person.close();
  await client.event('presence', (payload) => !modes(payload).includes('ui'));
  await Promise.all([program.close(), client.close()]);
});
