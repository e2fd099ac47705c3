/** The plugins under examples/, run as an operator runs them: what they write down, when they warn, what they deny. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { until } from '../../../../test/rig/until.ts';
import type { PlannedDispatchView } from '../domain/interceptor.ts';
import { Secret } from '../lib/secret.ts';
import { House, type Written } from './house.fixture.ts';

const EXAMPLES = join(import.meta.dirname, '../../../../examples');

async function opened(t: TestContext): Promise<House> {
  const house = await House.open();
  t.after(() => house.close());
  return house;
}

const example = (id: string): Written => ({ path: join(EXAMPLES, id), seen: () => [] });
const entry = (config: object) => ({ config: new Secret(JSON.stringify(config)) });
const tokens = (total: number) => makeUsage({ input: total });

function linesOf(file: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function planned(agentId: string | null, tags: string[]): PlannedDispatchView {
  const ids = {
    runId: 'r',
    attempt: 1,
    tenantId: 'default',
    keyId: null,
    sessionKey: null,
    sessionId: null,
    endUserId: null,
  };
  return { ...ids, agentId, tags, metadata: {}, provider: 'p', model: 'm', requestedModel: 'p/m', source: 'gateway' };
}

test('route events are written once each; a budget warns at 80 % and, enforced, denies beyond it; a restart forgets nothing', async (t) => {
  const house = await opened(t);
  const file = join(house.folder, 'routes/today.ndjson');
  const budgets = { agents: { main: 1000 }, lanes: { cheap: 500 } };
  const given = { entries: { 'route-events': entry({ file, budgets, enforce: true }) } };
  const plugins = await house.start([example('route-events')], given);
  const interceptor = plugins.interceptor(() => ({ settable: [] }));
  await house.usage({ agentId: 'main', tags: ['lane:cheap'], usage: tokens(390) });
  const second = await house.usage({ agentId: 'main', sessionKey: 'agent:main:x', tags: [], usage: tokens(400) });
  await house.cursorAt('route-events', second);
  assert.deepEqual(
    linesOf(file).map(({ type, agent, lane, session, tokens: used }) => [type, agent, lane, session, used]),
    [
      ['route', 'main', 'cheap', null, 390],
      ['route', 'main', 'default', 'agent:main:x', 400],
    ],
  );
  assert.equal(await interceptor.beforeDispatch(planned('main', [])), null);
  await house.cursorAt(
    'route-events',
    await house.usage({ agentId: 'main', tags: ['lane:cheap'], usage: tokens(120) }),
  );
  const alerts = linesOf(file).filter(({ type }) => type === 'alert');
  assert.deepEqual(
    alerts.map(({ budget, used }) => [budget, used]),
    [
      ['agent main', 910],
      ['lane cheap', 510],
    ],
  );
  assert.match(house.said.find(({ level }) => level === 'warn')?.text ?? '', /agent main has used 910 of 1000/);
  await assert.rejects(interceptor.beforeDispatch(planned(null, ['lane:cheap'])), /lane cheap has used up its tokens/);
  await plugins.close();
  // All of it comes once more, and is known.
  const again = await house.start([example('route-events')], given);
  await again.replay('route-events', 1);
  await until('three came again', () => again.all[0]!.delivered === 3);
  assert.equal(linesOf(file).length, 5);
  const denies = again.interceptor(() => ({ settable: [] }));
  await assert.rejects(denies.beforeDispatch(planned('other', ['lane:cheap'])), /lane cheap/);
  assert.equal(await denies.beforeDispatch(planned('other', [])), null);
});

test('the cost of an hour warns once when it exceeds its limit, for each tenant by itself, corrections included', async (t) => {
  const house = await opened(t);
  const file = join(house.folder, 'alerts.ndjson');
  const given = { entries: { 'cost-alert': entry({ usdPerHour: 0.001, perTenant: true, file }) } };
  await house.start([example('cost-alert')], given);
  const cost = (nanoUsd: string) => ({ cost: { nanoUsd, usd: '', currency: 'USD', source: 'config', priceId: 'p' } });
  await house.usage({ tenantId: 'a', ...cost('900000') });
  await house.usage({ tenantId: 'a', ...cost('-200000') }, 'model.usage.corrected');
  await house.usage({ tenantId: 'b', ...cost('900000') });
  await house.usage({ tenantId: 'b', cost: null, usage: tokens(5) });
  await house.cursorAt('cost-alert', await house.usage({ tenantId: 'a', ...cost('200000') }));
  assert.deepEqual(linesOf(file), []);
  for (const tenantId of ['a', 'a', 'b']) await house.usage({ tenantId, ...cost('150000') });
  await until('both were warned of', () => linesOf(file).length === 2);
  const alerts = linesOf(file).map(({ whose, usd }) => [whose, usd]);
  assert.deepEqual(alerts.sort(), [
    ['a', '0.001050000'],
    ['b', '0.001050000'],
  ]);
});
