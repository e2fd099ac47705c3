/**
 * Sessions on the whole program: keyed calls end up in their transcripts and nowhere else, what a session used is what the
 * ledger says, what comes twice is one call, a restart forgets nothing, and a delete takes the text and leaves the entries.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WeighbridgeClient } from '@weighbridge/client';
import pino from 'pino';
import { runCli } from '../packages/gateway/src/cli/program.ts';
import { loadConfig } from '../packages/gateway/src/config/load.ts';
import { type Gateway, startGateway } from '../packages/gateway/src/gateway.ts';
import { scratchDirectory } from './rig/gateway-process.ts';
import { until } from './rig/until.ts';

const stateDir = join(scratchDirectory({ after }), 'state');
const KEY = 'direct:openai-user:Conv:42';
let gateway: Gateway;
let client: WeighbridgeClient;
let token: string;

async function start(): Promise<void> {
  const { config, secrets } = await loadConfig({ flags: { stateDir, port: '0' }, variables: {}, createToken: true });
  gateway = await startGateway(config, secrets, { log: pino({ level: 'silent' }) });
  token = secrets.token!.reveal();
  client = new WeighbridgeClient({ url: gateway.url, token });
}
before(start);
after(() => gateway.close());

async function call(body: object, headers: Record<string, string> = {}): Promise<{ text: string; headers: Headers }> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ model: 'demo/scripted', messages: [{ role: 'user', content: 'What is said?' }], ...body }),
  });
  return { text: await answer.text(), headers: answer.headers };
}

async function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const say = (to: keyof typeof said) => (text: string) => {
    said[to] += text;
  };
  const code = await runCli([...args, '--url', gateway.url], {
    stdout: say('stdout'),
    stderr: say('stderr'),
    write: async (text) => say('stdout')(text),
    isTerminal: false,
    stderrIsTerminal: false,
    variables: { WEIGHBRIDGE_TOKEN: token },
    onInterrupt: () => {},
    startGateway: () => assert.fail('no verb here starts a gateway'),
  });
  return { code, ...said };
}

const appended = (messages: number) =>
  until(`it has ${messages} messages`, async () => (await client.session(KEY)).messages === messages);

test('a keyed call is in its transcript with the ledger’s count, also after a restart', async () => {
  await call({ user: 'Conv:42', stream: true });
  await call({ user: 'Conv:42' });
  await call({});
  await appended(4);
  const session = await client.session(KEY);
  const { totals } = await client.usage({ session: KEY });
  assert.deepEqual(
    [
      session.usageTotal.dispatches,
      session.usageTotal.input,
      session.usageTotal.output,
      session.usageTotal.cost?.nanoUsd,
    ],
    [Number(totals.requests), Number(totals.input), Number(totals.output), totals.costNanoUsd],
  );
  assert.equal(session.usageLast!.dispatches, 1);
  await gateway.close();
  await start();
  assert.deepEqual(await client.session(KEY), session);
  const { data } = await client.transcript(KEY);
  assert.deepEqual(
    data.map(({ role }) => role),
    ['user', 'assistant', 'user', 'assistant'],
  );
  assert.ok(data.every(({ text }) => text !== ''));
  assert.equal(data[3]!.usage!.total, session.usageLast!.total);
  assert.equal((await client.sessions()).data.length, 1, 'a call without a key has none');
});

test('the same call under its key is one dispatch, with the same ids and the same bytes', async () => {
  const both = await Promise.all([1, 2].map(() => call({ stream: true }, { 'idempotency-key': 'k' })));
  const again = await call({ stream: true }, { 'Idempotency-Key': 'k' });
  for (const { text, headers } of [...both, again]) {
    assert.equal(text, again.text);
    assert.equal(headers.get('x-request-id'), again.headers.get('x-request-id'));
    assert.equal(headers.get('x-weighbridge-dispatch-id'), again.headers.get('x-weighbridge-dispatch-id'));
  }
  const { data } = await client.dispatches({ run: again.headers.get('x-request-id')! });
  assert.equal(data.length, 1);
  assert.match((await call({}, { 'idempotency-key': 'k' })).text, /idempotency_mismatch/);
});

test('`sessions` lists, shows, exports and deletes; the ledger stays', async () => {
  const listed = await cli('sessions', 'list', '--search', 'conv');
  assert.match(listed.stdout, /direct:openai-user:Conv:42 +default +– +4 +2 /);
  const shown = await cli('sessions', 'show', KEY);
  assert.match(shown.stdout, /tokens, all runs +\d+\n/);
  assert.match(shown.stdout, /user: What is said\?/);
  const exported = await cli('sessions', 'export', KEY);
  const lines = exported.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ type }) => type),
    ['session', 'message', 'message', 'message', 'message'],
  );
  assert.equal(lines[2].message.provider, 'demo');
  assert.equal(lines[4].message.usage.totalTokens, (await client.session(KEY)).usageLast!.total);
  const before = (await client.usage({ session: KEY })).totals;
  assert.equal((await cli('sessions', 'delete', KEY)).code, 0);
  assert.deepEqual((await client.usage({ session: KEY })).totals, before);
  const gone = await cli('sessions', 'show', KEY);
  assert.deepEqual([gone.code, /there is no session/.test(gone.stderr)], [1, true]);
  assert.equal((await cli('sessions', 'list', '--json')).stdout.includes('Conv:42'), false);
});
