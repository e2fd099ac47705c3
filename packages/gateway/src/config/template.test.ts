/** The config file that `init` writes: it changes nothing but what it says, and every comment in it is true. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import JSON5 from 'json5';
import { decide } from './decide.ts';
import { readEnvironment } from './environment.ts';
import { keepKnown } from './shape.ts';
import { configTemplate } from './template.ts';

function configOf(text: string, variables: Record<string, string> = {}) {
  const file = { path: 'f', content: JSON5.parse<unknown>(text) };
  return decide({ flags: {}, environment: readEnvironment(variables), file, stateDir: '/s', localAddresses: [] })
    .config;
}

const EMPTY = configTemplate({ models: null, agents: null });

test('the file as written means what no file means', () => {
  const builtIn = decide({
    flags: {},
    environment: readEnvironment({}),
    file: null,
    stateDir: '/s',
    localAddresses: [],
  });
  assert.deepEqual(configOf(EMPTY), builtIn.config);
});

test('with its settings uncommented it is still the defaults: each comment is a known key with its default', () => {
  const uncommented = EMPTY.split('\n')
    .map((line) => line.replace(/^ {2}\/\/ ( *(?:\w+: .*[,{]|\},?))$/, '  $1').replace(/^( +)\/\/ (\w+: \S+,)/, '$1$2'))
    .join('\n');
  assert.equal((uncommented.match(/^ +\/\/ *\w+: /gm) ?? []).length, 0, 'every setting was uncommented');
  const { limits, metering, ledger, port } = configOf(uncommented, {
    LOCAL_KEY: 'x',
    OPENAI_API_KEY: 'y',
    WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`,
  });
  const expected = configOf(EMPTY);
  assert.deepEqual(
    { limits, metering, ledger, port },
    {
      limits: expected.limits,
      metering: expected.metering,
      ledger: expected.ledger,
      port: expected.port,
    },
  );
});

test('what is taken over keeps references to variables and loses what nobody reads', () => {
  const reference = `\${${'KEY'}}`;
  const content = {
    channels: { telegram: {} },
    models: {
      providers: { mine: { baseUrl: 'http://10.0.0.9/v1', apiKey: reference, models: [{ id: 'm', reasoning: true }] } },
    },
    agents: { list: [{ id: 'a', model: 'mine/m', workspace: 'w' }] },
  };
  const { kept, dropped } = keepKnown(content);
  assert.deepEqual(dropped, ['channels', 'models.providers.mine.models[].reasoning', 'agents.list[].workspace']);
  const text = configTemplate({
    models: JSON5.stringify(kept.models, null, 2),
    agents: JSON5.stringify(kept.agents, null, 2),
  });
  assert.ok(text.includes(reference));
  const config = configOf(text, { KEY: 'k' });
  assert.equal(config.providers.get('mine')?.credential?.reveal(), 'k');
  assert.equal(config.agents.defaultId, 'a');
  assert.deepEqual(config.warnings, []);
});
