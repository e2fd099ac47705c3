/** Which agents there are, which is the default, and which references to models are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayConfig } from '../domain/config.ts';
import { decide } from './decide.ts';
import { readEnvironment } from './environment.ts';
import { ConfigError } from './findings.ts';

const PROVIDERS = { mine: { baseUrl: 'http://10.0.0.9/v1', models: [{ id: 'big' }, { id: 'small' }] } };

function config(agents: unknown, providers: unknown = PROVIDERS): GatewayConfig {
  const content = { models: { providers }, agents };
  const environment = readEnvironment({});
  return decide({ flags: {}, environment, file: { path: 'f', content }, stateDir: '/s', localAddresses: [] }).config;
}

function refusal(agents: unknown): { path: string; message: string; hint: string | null } {
  try {
    config(agents);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems[0]!;
  }
  return assert.fail('these agents should have been refused');
}

test('agents.list and agents.entries are both read and ids are lower-cased', () => {
  const { agents } = config({ list: [{ id: 'Main', model: 'mine/big' }], entries: { coder: { model: 'mine/small' } } });
  assert.deepEqual([...agents.byId.keys()], ['main', 'coder']);
});

test('default: true decides the default agent; one alone is it; several without a mark have none', () => {
  const two = [
    { id: 'a', model: 'mine/big' },
    { id: 'b', model: 'mine/big', default: true },
  ];
  assert.equal(config({ list: two }).agents.defaultId, 'b');
  assert.equal(config({ list: [two[0]] }).agents.defaultId, 'a');
  assert.equal(config({ list: [two[0], { id: 'c', model: 'mine/big' }] }).agents.defaultId, null);
  assert.match(refusal({ list: [{ ...two[0], default: true }, two[1]] }).message, /default agent already/);
});

test('an agent without a model takes the default with its fallbacks, one with a plain model has none', () => {
  const { agents } = config({
    defaults: { model: { primary: 'mine/big', fallbacks: ['mine/small'] } },
    list: [
      { id: 'a', instructions: 'Be brief.' },
      { id: 'b', model: 'mine/small' },
    ],
  });
  assert.deepEqual(agents.byId.get('a'), {
    id: 'a',
    model: 'mine/big',
    fallbacks: ['mine/small'],
    instructions: 'Be brief.',
  });
  assert.deepEqual(agents.byId.get('b')?.fallbacks, []);
});

test('without agents there is main, from the default model or from the only one', () => {
  assert.equal(config({ defaults: { model: 'mine/small' } }).agents.byId.get('main')?.model, 'mine/small');
  const one = config({}, { mine: { baseUrl: 'http://10.0.0.9', models: [{ id: 'only' }] } });
  assert.equal(one.agents.byId.get('main')?.model, 'mine/only');
  const unclear = config({});
  assert.equal(unclear.agents.byId.size, 0);
  assert.ok(unclear.warnings.some((warning) => warning.startsWith('no agent is configured')));
});

test('an agent without any model is refused', () => {
  assert.equal(refusal({ list: [{ id: 'a' }] }).path, 'agents.list[0].model');
});

test('one agent in both places is refused', () => {
  assert.match(
    refusal({ list: [{ id: 'a', model: 'mine/big' }], entries: { A: { model: 'mine/big' } } }).message,
    /twice/,
  );
});

test('a mistyped provider is an error, one of OpenClaw’s that we lack is a warning', () => {
  assert.match(refusal({ list: [{ id: 'a', model: 'mien/big' }] }).hint ?? '', /"mine"/);
  assert.match(refusal({ list: [{ id: 'a', model: 'big' }] }).hint ?? '', /provider\/model/);
  const foreign = config({ list: [{ id: 'a', model: { primary: 'mine/big', fallbacks: ['github-copilot/x'] } }] });
  assert.ok(foreign.warnings.some((warning) => warning.includes('no provider "github-copilot"')));
  const keyless = config({ list: [{ id: 'a', model: 'anthropic/claude-opus-4-6' }] });
  assert.ok(keyless.warnings.some((warning) => warning.includes('ANTHROPIC_API_KEY')));
});
