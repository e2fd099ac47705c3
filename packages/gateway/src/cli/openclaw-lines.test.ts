/** The commands for OpenClaw, and that the way back leads to where it began. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openclawLines } from './openclaw-lines.ts';

const OURS = { url: 'http://127.0.0.1:18760', tokenCommand: 'weighbridge token' };
const MODEL = { id: 'm' };

test('each dialect says its sessions by its own setting, and Google’s by none', () => {
  const { there, remarks } = openclawLines(
    {
      a: { api: 'openai-completions', models: [MODEL, { ...MODEL, compat: { sendSessionAffinityHeaders: true } }] },
      b: { api: 'openai-responses', models: [MODEL] },
      c: { api: 'anthropic-messages', models: [MODEL] },
      d: { api: 'google-generative-ai', models: [MODEL] },
      e: { api: 'openai-completions', models: [{ ...MODEL, api: 'openai-responses' }] },
      f: { api: 'ollama', models: [MODEL] },
    },
    null,
    OURS,
  );
  const settings = there.filter((line) => line.includes('compat'));
  assert.deepEqual(settings, [
    "openclaw config set 'models.providers.a.models[0].compat.sendSessionAffinityHeaders' true",
    "openclaw config set 'models.providers.b.models[0].compat.sendSessionIdHeader' true",
    "openclaw config set 'models.providers.c.models[0].compat.sendSessionAffinityHeaders' true",
    "openclaw config set 'models.providers.e.models[0].compat.sendSessionIdHeader' true",
  ]);
  assert.deepEqual(
    remarks.map((remark) => remark.slice(0, 2)),
    ['c:', 'd:', 'f '],
  );
  assert.ok(!there.some((line) => line.includes('.f.')));
});

test('the address comes first and goes last, so that no vendor is told our credential', () => {
  const { there, back } = openclawLines({ a: { baseUrl: 'https://a.example/v1', apiKey: 'sk-secret' } }, null, OURS);
  assert.deepEqual(there, [
    'openclaw config set models.providers.a.baseUrl http://127.0.0.1:18760/proxy/a',
    'openclaw config set models.providers.a.headers.x-weighbridge-key "$(weighbridge token)"',
  ]);
  assert.deepEqual(back, [
    'openclaw config unset models.providers.a.headers',
    'openclaw config set models.providers.a.baseUrl https://a.example/v1',
  ]);
});

test('the way back keeps what was there before', () => {
  const model = { ...MODEL, compat: { supportsStore: false } };
  const { back } = openclawLines(
    { "o'x": { baseUrl: 'http://h/?a b', headers: { 'x-team': 'blue' }, models: [model] } },
    null,
    OURS,
  );
  assert.deepEqual(back, [
    `openclaw config unset 'models.providers.o'\\''x.headers.x-weighbridge-key'`,
    `openclaw config set 'models.providers.o'\\''x.baseUrl' 'http://h/?a b'`,
    `openclaw config unset 'models.providers.o'\\''x.models[0].compat.sendSessionAffinityHeaders'`,
  ]);
});

test('vendors that only an agent’s model names are moved too, and unset on the way back', () => {
  const agents = {
    defaults: { model: { primary: 'openai/gpt-5', fallbacks: ['mine/m'] } },
    entries: { a: { model: 'anthropic/claude' } },
  };
  const { there, back, remarks } = openclawLines({ mine: { baseUrl: 'http://h' } }, agents, OURS);
  assert.ok(there.includes('openclaw config set models.providers.openai.baseUrl http://127.0.0.1:18760/proxy/openai'));
  assert.ok(back.includes('openclaw config unset models.providers.anthropic.baseUrl'));
  assert.equal(remarks.length, 3);
});
