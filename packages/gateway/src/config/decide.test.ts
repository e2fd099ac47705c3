/** What a configuration means and what is refused, with inline files: no disk, no environment of the machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { databaseName } from '../domain/config.ts';
import type { Decision } from './decide.ts';
import { decide } from './decide.ts';
import { readEnvironment } from './environment.ts';
import type { Problem } from './findings.ts';
import { ConfigError } from './findings.ts';
import type { Flags } from './inputs.ts';

interface Given {
  flags?: Flags;
  variables?: Record<string, string>;
  localAddresses?: string[];
}

/** A decision over a file's content; `undefined` is no file. */
function decided(content?: unknown, { flags = {}, variables = {}, localAddresses = [] }: Given = {}): Decision {
  return decide({
    flags,
    environment: readEnvironment(variables),
    file: content === undefined ? null : { path: '/etc/weighbridge.json5', content },
    stateDir: '/state',
    localAddresses,
  });
}

function problems(content?: unknown, given?: Given): readonly Problem[] {
  try {
    decided(content, given);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return assert.fail('this configuration should have been refused');
}

/** A reference to a variable, as the file writes it. */
const variable = (name: string): string => `\${${name}}`;

const LOCAL = { baseUrl: 'http://10.0.0.9:8000/v1' };

test('a vendor key in the environment is a provider without any file', () => {
  const variables = { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1/' };
  const { config } = decided(undefined, { variables });
  const openai = config.providers.get('openai');
  assert.deepEqual([...config.providers.keys()], ['openai']);
  assert.equal(openai?.baseUrl, 'http://127.0.0.1:9/v1');
  assert.equal(openai?.credential?.reveal(), 'x');
  assert.equal(openai?.isVendorOrigin, false);
  assert.equal(openai?.asksUsage, 'unknown');
  assert.equal(config.port, 18_760);
  assert.equal(config.host, '127.0.0.1');
});

test('a provider has the prices of the vendor at its address, else of its name, else of whom the file says', () => {
  const vendorOf = (id: string, entry: object) =>
    decided({ models: { providers: { [id]: entry } } }).config.providers.get(id)?.vendor;
  assert.equal(vendorOf('mine', { baseUrl: 'https://api.openai.com/v1' }), 'openai');
  assert.equal(vendorOf('anthropic', { baseUrl: 'https://api.openai.com/v1' }), 'openai');
  assert.equal(vendorOf('openai', LOCAL), 'openai');
  assert.equal(vendorOf('mine', LOCAL), null);
  assert.equal(vendorOf('mine', { ...LOCAL, pricedAs: 'azure' }), 'azure');
  assert.equal(vendorOf('openai', { ...LOCAL, pricedAs: 'none' }), null);
  const [problem] = problems({ models: { providers: { mine: { ...LOCAL, pricedAs: 'opnai' } } } });
  assert.deepEqual([problem?.path, problem?.hint], ['models.providers.mine.pricedAs', 'Did you mean "openai"?']);
});

test('a vendor at its own address is known to accept the question for usage', () => {
  const openai = decided(undefined, { variables: { OPENAI_API_KEY: 'x' } }).config.providers.get('openai');
  assert.equal(openai?.isVendorOrigin, true);
  assert.equal(openai?.asksUsage, 'yes');
});

test('a vendor at its own address speaks its other dialects too, with the same key; a mirror does not', () => {
  const others = (models: object, variables: Record<string, string> = {}) =>
    Object.values(decided({ models }, { variables }).config.providers.values().next().value?.also ?? {});
  const [responses, ...none] = others({}, { OPENAI_API_KEY: 'x' });
  assert.deepEqual([responses?.api, responses?.baseUrl], ['openai-responses', 'https://api.openai.com/v1']);
  assert.deepEqual([responses?.credential?.reveal(), responses?.asksUsage, none], ['x', 'no', []]);
  const mine = { api: 'openai-responses', baseUrl: 'https://api.openai.com/v1', pricedAs: 'none' };
  const [chat] = others({ providers: { mine } });
  assert.deepEqual([chat?.id, chat?.api, chat?.asksUsage, chat?.vendor], ['mine', 'openai-completions', 'yes', null]);
  assert.deepEqual(
    others({}, { DEEPSEEK_API_KEY: 'x' }).map(({ baseUrl }) => baseUrl),
    ['https://api.deepseek.com/anthropic'],
  );
  assert.deepEqual(others({}, { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }), []);
  assert.deepEqual(others({ providers: { mine: { baseUrl: 'https://api.openai.com/v2' } } }), []);
});

test('Gemini is found by its own variable names', () => {
  const google = decided(undefined, { variables: { GEMINI_API_KEY: 'g' } }).config.providers.get('google');
  assert.equal(google?.api, 'google-generate');
  assert.equal(google?.credential?.reveal(), 'g');
});

test('the demo exists while no provider does, costs 0 and is what the agent main uses', () => {
  const { config } = decided();
  assert.deepEqual([...config.providers.keys()], ['demo']);
  assert.equal(config.agents.byId.get('main')?.model, 'demo/scripted');
  assert.equal(config.agents.defaultId, 'main');
  const price = config.providers.get('demo')?.models[0]?.price;
  assert.equal(price?.source, 'demo');
  assert.ok(Object.values(price?.rates ?? {}).every((rate) => rate === 0n));
});

test('the demo is gone with the first provider, of the file or of the environment', () => {
  assert.equal(decided({ models: { providers: { mine: LOCAL } } }).config.providers.has('demo'), false);
  assert.equal(decided(undefined, { variables: { XAI_API_KEY: 'x' } }).config.providers.has('demo'), false);
});

test('the built-in configuration has every endpoint on, a file has chatCompletions and responses off and says so', () => {
  const on = { chatCompletions: true, responses: true, messages: true, proxy: true };
  assert.deepEqual(decided().config.endpoints, on);
  const { config } = decided({});
  assert.deepEqual(config.endpoints, { ...on, chatCompletions: false, responses: false });
  assert.ok(config.warnings.some((warning) => warning.includes('the chatCompletions endpoint is off')));
  const asked = decided({ gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } } });
  assert.equal(asked.config.endpoints.chatCompletions, true);
});

test('a flag wins over a variable, a variable over the file, the file over the default', () => {
  const file = { gateway: { port: 1111 } };
  const variables = { WEIGHBRIDGE_PORT: '2222' };
  assert.equal(decided(file, { variables, flags: { port: '3333' } }).config.port, 3333);
  assert.equal(decided(file, { variables }).config.port, 2222);
  assert.equal(decided(file).config.port, 1111);
  assert.equal(decided({}).config.port, 18_760);
});

test('WEIGHBRIDGE_TOKEN wins over OPENCLAW_GATEWAY_TOKEN, that over the file', () => {
  const file = { gateway: { auth: { token: 'of-file' } } };
  const both = { WEIGHBRIDGE_TOKEN: 'ours', OPENCLAW_GATEWAY_TOKEN: 'theirs' };
  assert.equal(decided(file, { variables: both }).given.token?.secret.reveal(), 'ours');
  const theirs = { OPENCLAW_GATEWAY_TOKEN: 'theirs' };
  assert.equal(decided(file, { variables: theirs }).given.token?.from, 'OPENCLAW_GATEWAY_TOKEN');
  assert.equal(decided(file).given.token?.secret.reveal(), 'of-file');
});

test('an empty variable is an absent one', () => {
  const { config } = decided(undefined, { variables: { OPENAI_API_KEY: '', WEIGHBRIDGE_PORT: ' ' } });
  assert.equal(config.providers.has('openai'), false);
  assert.equal(config.port, 18_760);
});

test('all problems are listed at once, each with its path', () => {
  const found = problems({
    gateway: { port: 99_999, auth: { mode: 'tokn' } },
    limits: { bodyBytesMx: 1, runsMax: 'many' },
    models: { providers: { openai: { baseUrl: 'ftp://x' } } },
  });
  assert.deepEqual(found.map(({ path }) => path).sort(), [
    'gateway.auth.mode',
    'gateway.port',
    'limits.bodyBytesMx',
    'limits.runsMax',
    'models.providers.openai.baseUrl',
  ]);
  assert.match(found.find(({ path }) => path === 'gateway.auth.mode')?.hint ?? '', /"token"/);
});

test('an unknown key of our own sections is an error that names the nearest key', () => {
  const [problem] = problems({ metering: { drain: { timoutMs: 5 } } });
  assert.equal(problem?.path, 'metering.drain.timoutMs');
  assert.match(problem?.hint ?? '', /`timeoutMs`/);
});

test('unknown keys of OpenClaw sections are one warning', () => {
  const { config } = decided({
    channels: { telegram: { token: variable('NOT_SET_AND_NOT_OURS') } },
    gateway: { mode: 'local', controlUi: { enabled: true } },
    agents: { defaults: { workspace: '~/w' }, list: [{ id: 'main', model: 'demo/scripted', workspace: 'x' }] },
  });
  const unused = config.warnings.filter((warning) => warning.startsWith('not used by Weighbridge'));
  assert.deepEqual(unused, [
    'not used by Weighbridge: agents.defaults.workspace, agents.list[].workspace, channels, gateway.controlUi.enabled, gateway.mode',
  ]);
});

test('origins that a proxy has are those that a browser would write; others are said and left out', () => {
  const allowedOrigins = [
    'https://Meter.example',
    'http://10.0.0.1:8080/',
    '*',
    'meter.example',
    'https://x/path',
    'null',
  ];
  const { config } = decided({ gateway: { controlUi: { allowedOrigins } } });
  assert.deepEqual(config.allowedOrigins, ['https://meter.example', 'http://10.0.0.1:8080']);
  assert.equal(config.warnings.filter((warning) => warning.startsWith('gateway.controlUi.allowedOrigins')).length, 4);
});

test('a section name within two letters of ours is an error, a far one is somebody else’s', () => {
  assert.match(problems({ ledgr: {} })[0]?.hint ?? '', /`ledger`/);
  assert.match(problems({ modles: {} })[0]?.hint ?? '', /`models`/);
  for (const section of [
    'tools',
    'plugins',
    'hooks',
    'session',
    'logging',
    'browser',
    'meta',
    'ui',
    'memory',
    'cron',
  ]) {
    assert.doesNotThrow(() => decided({ [section]: {} }), section);
  }
});

test('a missing variable is an error that names the path and the variable', () => {
  const [problem] = problems({ models: { providers: { mine: { ...LOCAL, apiKey: variable('TEAM_KEY') } } } });
  assert.equal(problem?.path, 'models.providers.mine.apiKey');
  assert.match(problem?.message ?? '', /TEAM_KEY/);
});

test('a variable is substituted inside a text, and two dollars keep it', () => {
  const headers = { 'X-Team': `a-${variable('TEAM')}-b`, 'x-literal': `$${variable('TEAM')}` };
  const { config } = decided(
    { models: { providers: { mine: { ...LOCAL, headers } } } },
    { variables: { TEAM: 'red' } },
  );
  assert.deepEqual(config.providers.get('mine')?.headers, { 'x-team': 'a-red-b', 'x-literal': variable('TEAM') });
});

test('auth.mode none is refused off loopback and allowed on it', () => {
  const none = { gateway: { auth: { mode: 'none' } } };
  assert.equal(problems(none, { flags: { host: '0.0.0.0' } })[0]?.path, 'gateway.auth.mode');
  assert.equal(problems({ gateway: { bind: 'lan', auth: { mode: 'none' } } })[0]?.path, 'gateway.auth.mode');
  for (const host of ['127.0.0.1', 'localhost', '::1'])
    assert.equal(decided(none, { flags: { host } }).config.host, host);
});

test('only a password given means mode password, and that mode without one is refused', () => {
  assert.equal(decided(undefined, { variables: { WEIGHBRIDGE_PASSWORD: 'p' } }).config.auth.mode, 'password');
  assert.equal(problems({ gateway: { auth: { mode: 'password' } } })[0]?.path, 'gateway.auth.password');
});

test('a provider that is our own listener is refused, whatever the address is called', () => {
  for (const own of [
    'http://localhost:18760/v1',
    'http://127.0.0.1:18760',
    'http://[::1]:18760/x',
    'http://0x7f.1:18760',
  ]) {
    const [problem] = problems({ models: { providers: { loop: { baseUrl: own } } } });
    assert.equal(problem?.path, 'models.providers.loop.baseUrl', own);
  }
  const variables = { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: 'http://localhost:18760/v1' };
  assert.equal(problems(undefined, { variables })[0]?.path, 'OPENAI_BASE_URL');
  const lan = { flags: { host: '0.0.0.0' }, localAddresses: ['192.168.1.7'] };
  assert.equal(problems({ models: { providers: { loop: { baseUrl: 'http://192.168.1.7:18760' } } } }, lan).length, 1);
  assert.doesNotThrow(() => decided({ models: { providers: { other: { baseUrl: 'http://localhost:18761/v1' } } } }));
});

test('an address with a user, a query or another scheme is refused without being shown', () => {
  for (const baseUrl of [
    'https://me:hunter2@api.example.com/v1',
    'https://api.example.com/v1?key=hunter2',
    'file:///hunter2',
    'hunter2',
  ]) {
    const found = problems({ models: { providers: { mine: { baseUrl } } } });
    assert.equal(found[0]?.path, 'models.providers.mine.baseUrl', baseUrl);
    assert.doesNotMatch(JSON.stringify(found), /hunter2/);
  }
});

test('no message, warning or printed config holds a secret', () => {
  const secret = 'sk-hunter2';
  const { config } = decided(
    { models: { providers: { openai: { apiKey: secret } } }, gateway: { auth: { token: secret } } },
    { variables: { OPENAI_API_KEY: 'sk-other' } },
  );
  assert.doesNotMatch(
    JSON.stringify([...config.providers.values()].map((p) => ({ ...p, models: [] }))),
    /hunter2|sk-other/,
  );
  assert.doesNotMatch(config.warnings.join(), /hunter2|sk-other/);
  const found = problems({ gateway: { auth: { token: 'hunter2 hunter2' }, port: 'hunter2', bind: 'hunter2' } });
  assert.equal(found.length, 3);
  assert.doesNotMatch(JSON.stringify(found), /hunter2/);
});

test('reserved names are refused as providers and as agents', () => {
  for (const name of ['demo', 'openclaw', 'agent', 'direct', 'proxy']) {
    assert.match(problems({ models: { providers: { [name]: LOCAL } } })[0]?.message ?? '', /reserved/, name);
    assert.match(problems({ agents: { entries: { [name]: { model: 'a/b' } } } })[0]?.message ?? '', /reserved/, name);
  }
});

test('an environment key replaces the file’s for the vendor, with a warning, but never at an address of somebody else', () => {
  const variables = { OPENAI_API_KEY: 'from-env' };
  const vendor = decided({ models: { providers: { openai: { apiKey: 'from-file' } } } }, { variables }).config;
  assert.equal(vendor.providers.get('openai')?.credential?.reveal(), 'from-env');
  assert.ok(vendor.warnings.some((warning) => warning.includes('OPENAI_API_KEY is used instead of')));
  const elsewhere = { ...LOCAL, apiKey: 'from-file' };
  const other = decided({ models: { providers: { openai: elsewhere } } }, { variables }).config;
  assert.equal(other.providers.get('openai')?.credential?.reveal(), 'from-file');
});

test('models.mode replace keeps vendors of the environment out', () => {
  const content = { models: { mode: 'replace', providers: { mine: LOCAL } } };
  assert.deepEqual([...decided(content, { variables: { OPENAI_API_KEY: 'x' } }).config.providers.keys()], ['mine']);
});

test('timeoutSeconds bounds the whole request and lengthens the shorter limits', () => {
  const { timeouts } = decided({
    models: { providers: { slow: { ...LOCAL, timeoutSeconds: 1800 } } },
  }).config.providers.get('slow')!;
  assert.deepEqual(timeouts, {
    connectTimeoutMs: 10_000,
    firstByteTimeoutMs: 1_800_000,
    idleTimeoutMs: 1_800_000,
    totalTimeoutMs: 1_800_000,
  });
});

test('OpenClaw’s dialect names are read; a dialect we do not speak leaves its provider out; an unknown one is an error', () => {
  const { config } = decided({
    models: { providers: { g: { ...LOCAL, api: 'google-generative-ai' }, o: { ...LOCAL, api: 'ollama' } } },
  });
  assert.deepEqual([...config.providers.keys()], ['g']);
  assert.equal(config.providers.get('g')?.api, 'google-generate');
  assert.ok(config.warnings.some((warning) => warning.includes('models.providers.o')));
  assert.match(
    problems({ models: { providers: { x: { ...LOCAL, api: 'openai-completion' } } } })[0]?.hint ?? '',
    /openai-completions/,
  );
});

test('headers that frame or identify the request cannot be set', () => {
  for (const name of ['Content-Length', 'Host', 'transfer-encoding', 'X-Weighbridge-Hop', 'bad name']) {
    assert.equal(problems({ models: { providers: { mine: { ...LOCAL, headers: { [name]: '1' } } } } }).length, 1, name);
  }
  const broken = { ...LOCAL, headers: { 'x-a': 'b\r\nc: d' } };
  assert.equal(problems({ models: { providers: { mine: broken } } }).length, 1);
});

test('WEIGHBRIDGE_DATABASE_URL chooses PostgreSQL, and its password is in no text that is made of the config', () => {
  const url = 'postgres://meter:hunter2@db.example:5433/ledger';
  const { config } = decided(undefined, { variables: { WEIGHBRIDGE_DATABASE_URL: url } });
  assert.equal(config.database.kind, 'postgres');
  assert.equal(databaseName(config.database), 'postgres://db.example:5433/ledger');
  assert.doesNotMatch(`${inspect(config, { depth: null })}${JSON.stringify(config)}`, /hunter2/);
});

test('an address that is not PostgreSQL’s is refused without being repeated', () => {
  for (const url of ['mysql://u:hunter2@h/d', 'postgres://u:hunter2@h', 'hunter2']) {
    const [problem] = problems(undefined, { variables: { WEIGHBRIDGE_DATABASE_URL: url } });
    assert.equal(problem?.path, 'WEIGHBRIDGE_DATABASE_URL');
    assert.doesNotMatch(JSON.stringify(problem), /hunter2/);
  }
});

test('$include is refused, not skipped', () => {
  assert.equal(problems({ models: { $include: './m.json5' } })[0]?.path, 'models.$include');
});

test('a key called __proto__ is a provider id like any other bad one', () => {
  const content: unknown = JSON.parse('{"models":{"providers":{"__proto__":{"baseUrl":"http://10.0.0.9"}}}}');
  assert.equal(problems(content)[0]?.path, 'models.providers.__proto__');
});
