/** What a plugin gets: its events by name and number, in order, at least once, and of the configuration only its own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeUsage } from '@weighbridge/protocol';
import { ENGINES } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import { Secret } from '../lib/secret.ts';
import type { Engine } from '../store/store.ts';
import { House } from './house.fixture.ts';

/** By its published name, as an author writes it; the house rules must not take it for an import of this file. */
const OURS = ['weighbridge', 'plugin'].join('/');

const RECORDER = `
import { definePlugin } from '${OURS}';
export default definePlugin({
  id: 'recorder',
  onModelDispatchComplete(event, ctx) { saw({ hook: 'dispatch', event, seq: ctx.seq, delivery: ctx.delivery, config: ctx.config }); },
});
`;

async function opened(t: TestContext, engine: Engine = 'sqlite'): Promise<House> {
  const house = await House.open(engine);
  t.after(() => house.close());
  return house;
}

for (const engine of ENGINES) {
  test(`on ${engine} a plugin gets every dispatch after its first start, with the plain names, and goes on where it was`, async (t) => {
    const house = await opened(t, engine);
    await house.usage();
    const recorder = house.write('recorder', RECORDER);
    const first = await house.start([recorder]);
    const usage = makeUsage({ input: 63, output: 20, cacheRead: 40, reasoning: 5 });
    const one = await house.usage({ agentId: 'main', sessionId: 's', sessionKey: 'agent:main:x', usage });
    await house.cursorAt('recorder', one);
    await first.close();
    const two = await house.usage();
    await house.start([recorder]);
    await house.cursorAt('recorder', two);
    const seen = recorder.seen();
    assert.deepEqual(
      seen.map(({ seq, delivery }) => [seq, delivery]),
      [
        [one, 1],
        [two, 1],
      ],
    );
    const [known, bare] = seen.map(({ event }) => event as Record<string, unknown>);
    assert.deepEqual(
      [known!.agent_id, known!.session_id, known!.model, known!.latency_ms, known!.status],
      ['main', 's', 'm', 7, 'completed'],
    );
    assert.deepEqual(known!.usage, { ...usage, prompt_tokens: 103, completion_tokens: 20, total_tokens: 123 });
    assert.deepEqual([bare!.agent_id, bare!.session_id, bare!.usage], [null, null, null]);
  });
}

test('events of one session come in order, whatever the plugin takes over each, and sessions do not wait for each other', async (t) => {
  const house = await opened(t);
  const slow = house.write(
    'slow',
    `export default {
      id: 'slow',
      async onModelDispatchComplete({ sessionKey, waitMs }, { seq }) {
        await new Promise((go) => setTimeout(go, waitMs));
        saw({ sessionKey, seq });
      },
    };`,
  );
  await house.start([slow]);
  const seqs: number[] = [];
  for (let n = 0; n < 12; n++) {
    seqs.push(await house.usage({ sessionKey: n % 2 === 0 ? 'a' : 'b', waitMs: n % 2 === 0 ? 60 - n * 5 : 0 }));
  }
  await house.cursorAt('slow', seqs.at(-1)!);
  const seen = slow.seen();
  const of = (key: string) => seen.filter(({ sessionKey }) => sessionKey === key).map(({ seq }) => seq);
  assert.deepEqual(
    of('a'),
    seqs.filter((_, n) => n % 2 === 0),
  );
  assert.deepEqual(
    of('b'),
    seqs.filter((_, n) => n % 2 === 1),
  );
  const positions = seen.map(({ sessionKey }) => sessionKey).join('');
  assert.ok(positions.lastIndexOf('b') < positions.lastIndexOf('a'), `b waited for a: ${positions}`);
});

test('a plugin gets its own config, frozen, and neither the environment nor another’s config', async (t) => {
  const house = await opened(t);
  process.env.WEIGHBRIDGE_TEST_PLUGIN_SECRET = 'not for plugins';
  const source = (id: string) => `
    export default {
      id: '${id}',
      onModelDispatchComplete(event, { config }) {
        let changed = true;
        try { config.token = 'x'; } catch { changed = false; }
        saw({ config, changed, env: Object.keys(process.env), argv: process.argv });
      },
    };`;
  const plugins = [house.write('one', source('one')), house.write('two', source('two'))];
  const entries = {
    one: { config: new Secret('{"token":"of one","deep":{"n":1}}') },
    two: { config: new Secret('{"token":"of two"}') },
  };
  await house.start(plugins, { entries });
  const seq = await house.usage();
  await Promise.all(['one', 'two'].map((id) => house.cursorAt(id, seq)));
  delete process.env.WEIGHBRIDGE_TEST_PLUGIN_SECRET;
  const [one, two] = plugins.map((plugin) => plugin.seen()[0]!);
  assert.deepEqual([one!.config, one!.changed], [{ token: 'of one', deep: { n: 1 } }, false]);
  assert.deepEqual(two!.config, { token: 'of two' });
  assert.ok(!JSON.stringify(one).includes('PLUGIN_SECRET'));
});

test('what cannot be loaded is said once with its reason, and keeps nobody else from loading', async (t) => {
  const house = await opened(t);
  const good = house.write('recorder', RECORDER);
  const cases: [string, string, RegExp][] = [
    ['broken', 'export default {', /SyntaxError/],
    ['throws', 'throw new Error("no key");', /no key/],
    ['nothing', 'export const x = 1;', /no default export/],
    ['nameless', 'export default { onModelDispatchComplete() {} };', /no `id`/],
    ['hookless', 'export default { id: "hookless" };', /none of the hooks/],
    ['odd', 'export default { id: "../odd", onRunEnd() {} };', /id is none/],
    ['twin', RECORDER, /another plugin "recorder"/],
    [
      'foreign-hook',
      'export default { id: "f", register(api) { api.on("before_tool_call", () => {}); } };',
      /before_tool_call.*none of the hooks/,
    ],
    [
      'foreign-tool',
      'export default { id: "g", register(api) { api.registerTool({}); } };',
      /registerTool is not a function/,
    ],
    ['missing', 'import "no-such-package"; export default {};', /no-such-package/],
    ['leaving', 'process.exit(0);', /ended with code/],
  ];
  const bad = cases.map(([id, source]) => house.write(id, source));
  const nowhere = { path: `${house.folder}/nowhere`, seen: () => [] };
  const plugins = await house.start([good, ...bad, nowhere], { limits: { loadTimeoutMs: 15_000 } });
  assert.equal(house.notLoaded.length, cases.length + 1, JSON.stringify(house.notLoaded));
  for (const [id, , reason] of cases) {
    const said = house.notLoaded.find(({ path }) => path.endsWith(`/${id}`));
    assert.match(said?.reason ?? 'nothing', reason, id);
  }
  assert.deepEqual(plugins.broken, [{ path: nowhere.path, reason: 'there is no such folder' }]);
  await house.cursorAt('recorder', await house.usage());
});

test('the cursor passes what a plugin does not want, but never what it has not handled', async (t) => {
  const house = await opened(t);
  const source = `
    import { existsSync } from 'node:fs';
    const wait = (ms) => new Promise((next) => setTimeout(next, ms));
    export default {
      id: 'rare',
      async onSessionPatched({ sessionKey }, { seq }) {
        if (sessionKey === 'held') while (!existsSync(new URL('./go', import.meta.url))) await wait(10);
        else await wait(700);
        saw({ seq });
      },
    };`;
  const rare = house.write('rare', source);
  await house.start([rare], { limits: { handlerTimeoutMs: 20_000 } });
  for (let n = 0; n < 3; n++) await house.usage();
  await house.cursorAt('rare', 3);
  const held = await house.usage({ sessionKey: 'held' }, 'session.patched');
  const other = await house.usage({ sessionKey: 'other' }, 'session.patched');
  const last = await house.usage();
  await until('the other is handled', () => rare.seen().length === 1);
  assert.equal(await house.cursor('rare'), 3);
  house.write('rare/go', '');
  await house.cursorAt('rare', last);
  assert.deepEqual(rare.seen(), [{ seq: other }, { seq: held }]);
});

test('a question of its follower that fails is asked again, and no event is missed', async (t) => {
  const house = await opened(t);
  const recorder = house.write('recorder', RECORDER);
  await house.start([recorder]);
  const one = await house.usage();
  await house.cursorAt('recorder', one);
  const { log } = house;
  const page = log.page.bind(log);
  let failed = 0;
  log.page = (...asked) => (failed++ === 0 ? Promise.reject(new Error('the question was too large')) : page(...asked));
  const two = await house.usage();
  await house.cursorAt('recorder', two);
  assert.deepEqual(
    recorder.seen().map(({ seq }) => seq),
    [one, two],
  );
  assert.equal(house.bugs.splice(0).length, 1);
});

test('one that never comes to the end of its loading is given up', async (t) => {
  const house = await opened(t);
  await house.start([house.write('spinning', 'for (;;);')], { limits: { loadTimeoutMs: 600 } });
  assert.match(house.notLoaded[0]?.reason ?? '', /was not loaded after 600 ms/);
});

test('a plugin that is disabled is not run at all where its folder says its name', async (t) => {
  const house = await opened(t);
  const off = house.write('off', 'saw({ loaded: true }); export default { id: "off", onRunEnd() {} };');
  const renamed = house.write('folder-name', 'export default { id: "renamed", onRunEnd() { } };');
  const plugins = await house.start([off, renamed], {
    entries: { off: { enabled: false }, renamed: { enabled: false } },
  });
  assert.deepEqual(off.seen(), []);
  assert.deepEqual(
    plugins.all.map(({ id, status }) => [id, status]),
    [
      ['off', 'disabled'],
      ['renamed', 'disabled'],
    ],
  );
  assert.deepEqual(house.notLoaded, []);
});

test('the gateway’s start and end are told, and the start again when the plugin alone was started anew', async (t) => {
  const house = await opened(t);
  const plugin = house.write(
    'life',
    `export default {
      id: 'life',
      onGatewayStart({ url, restart }) { saw({ url, restart }); },
      onModelDispatchComplete(event, { delivery }) { if (delivery === 1) process.exit(1); saw({ delivery }); },
      onGatewayStop({ reason }) { saw({ reason }); },
    };`,
  );
  const plugins = await house.start([plugin]);
  await house.cursorAt('life', await house.usage());
  await until('it was started anew', () => plugin.seen().length >= 3);
  await plugins.close();
  assert.deepEqual(
    plugin.seen().toSorted((a, b) => Object.keys(a)[0]!.localeCompare(Object.keys(b)[0]!)),
    [
      { delivery: 2 },
      { reason: 'shutdown' },
      { url: 'http://127.0.0.1:1', restart: 0 },
      { url: 'http://127.0.0.1:1', restart: 1 },
    ],
  );
});
