/** Deciding before a dispatch: denied, changed, tagged, with headers; and what becomes of a call without a verdict. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { until } from '../../../../test/rig/until.ts';
import { GatewayError } from '../domain/errors.ts';
import type { DispatchChange, Interceptor, PlannedDispatchView } from '../domain/interceptor.ts';
import type { PluginEntry, PluginLimits } from '../domain/plugin.ts';
import { House, type Written } from './house.fixture.ts';
import { Interceptors, readVerdict } from './interceptors.ts';
import type { PluginFaults } from './plugin.ts';
import type { Plugins } from './plugins.ts';

const RULES = { settable: ['x-*'] };

const PLANNED: PlannedDispatchView = {
  runId: 'run_1',
  attempt: 1,
  tenantId: 'default',
  keyId: null,
  agentId: 'main',
  sessionKey: null,
  sessionId: null,
  endUserId: null,
  tags: ['a'],
  metadata: {},
  provider: 'up',
  model: 'm',
  requestedModel: 'openclaw/main',
  source: 'gateway',
};

interface Deciding {
  house: House;
  plugins: Plugins;
  written: Written[];
  interceptor: Interceptor;
}

interface Given {
  entries?: Record<string, Partial<PluginEntry>>;
  limits?: Partial<PluginLimits>;
}

async function deciding(t: TestContext, sources: Record<string, string>, given: Given = {}): Promise<Deciding> {
  const house = await House.open();
  t.after(() => house.close());
  const written = Object.entries(sources).map(([id, body]) =>
    house.write(id, `export default { id: '${id}', async beforeModelDispatch(dispatch, ctx) { ${body} } };`),
  );
  const plugins = await house.start(written, given);
  return { house, plugins, written, interceptor: plugins.interceptor(() => RULES) };
}

const closed = (timeoutMs: number | null = null) => ({ intercept: { timeoutMs, onFailure: 'failClosed' as const } });
const open = (timeoutMs: number | null = null) => ({ intercept: { timeoutMs, onFailure: 'failOpen' as const } });

function refusedWith(code: string, text: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof GatewayError && error.code === code && text.test(error.message);
}

test('a plugin denies with its reason, or changes model, tags and headers; the next sees what the one before changed', async (t) => {
  const { interceptor, written } = await deciding(t, {
    first: `saw(dispatch);
      if (dispatch.agent_id === 'banned') return { deny: { reason: 'over its budget' } };
      if (dispatch.agent_id === 'plain') return;
      return { model: 'up/small', tags: ['budget:low'], headers: { 'X-Team': 'a' } };`,
    second: `saw(dispatch); return { tags: ['seen'], headers: { 'x-second': '1' } };`,
  });
  assert.equal(interceptor.isWanted, true);
  const change: DispatchChange = {
    model: 'up/small',
    tags: ['budget:low', 'seen'],
    headers: { 'x-team': 'a', 'x-second': '1' },
  };
  assert.deepEqual(await interceptor.beforeDispatch(PLANNED), change);
  const [, seen] = written.map((plugin) => plugin.seen()[0]!);
  assert.deepEqual([seen!.model, seen!.tags], ['up/small', ['a', 'budget:low']]);
  const banned = { ...PLANNED, agentId: 'banned' };
  await assert.rejects(
    interceptor.beforeDispatch(banned),
    refusedWith('denied_by_plugin', /'first' denied this call: over its budget/),
  );
  const plain = await interceptor.beforeDispatch({ ...PLANNED, agentId: 'plain' });
  assert.deepEqual(plain, { model: null, tags: ['seen'], headers: { 'x-second': '1' } });
});

const NO_VERDICTS: [string, string, keyof PluginFaults][] = [
  ['throws', 'throw new Error("no");', 'threw'],
  ['never answers', 'await new Promise(() => {});', 'late'],
  ['answers nonsense', 'return "yes";', 'badVerdicts'],
  ['misspells its denial', 'return { denied: true };', 'badVerdicts'],
  ['wants a header that may not be sent', 'return { headers: { authorization: "x" } };', 'badVerdicts'],
  ['ends', 'process.exit(1);', 'died'],
];
test('a call without a verdict passes by failOpen and is refused by failClosed, whatever keeps the verdict away', async (t) => {
  const cases = NO_VERDICTS.map(([what, body]) => `if (dispatch.requestedModel === '${what}') { ${body} }`).join('\n');
  const entries = { open: open(1_000), closed: closed(1_000) };
  const sources = { open: `if (dispatch.agentId !== null) { ${cases} }`, closed: cases };
  const { interceptor, plugins } = await deciding(t, sources, { entries });
  const [opens, closes] = plugins.all;
  for (const [what, , fault] of NO_VERDICTS) {
    const [before, beforeOfOpen] = [closes!.faults[fault], opens!.faults[fault]];
    // A verdict between failures keeps both from being left out for a while.
    await interceptor.beforeDispatch(PLANNED);
    const asked = { ...PLANNED, requestedModel: what };
    await assert.rejects(
      interceptor.beforeDispatch(asked),
      refusedWith('plugin_unavailable', /'closed' must decide/),
      what,
    );
    assert.equal(opens!.faults[fault], beforeOfOpen + 1, what);
    await until(what, () => closes!.faults[fault] === before + 1);
    await until('both run', () => opens!.isRunning && closes!.isRunning);
  }
});

test('one that hangs keeps few calls waiting: then none waits until it is tried again', async (t) => {
  const { interceptor, plugins } = await deciding(
    t,
    { hangs: 'await new Promise(() => {});' },
    { entries: { hangs: open(50) } },
  );
  for (let n = 0; n < 5; n++) await interceptor.beforeDispatch(PLANNED);
  assert.equal(plugins.all[0]!.faults.late, 5);
  for (let n = 0; n < 100; n++) await interceptor.beforeDispatch(PLANNED);
  assert.equal(plugins.all[0]!.faults.late, 5);
});

test('after its pause one call at a time tries it; the others do not wait, and a verdict lets all ask again', async (t) => {
  const { plugins, written } = await deciding(
    t,
    { hangs: 'saw({}); if (dispatch.agentId === null) await new Promise(() => {}); return { tags: ["decided"] };' },
    { entries: { hangs: open(300) } },
  );
  let now = 1;
  const interceptor = new Interceptors({
    plugins: () => plugins.all,
    missing: () => [],
    rules: () => RULES,
    now: () => now,
  });
  const hang = { ...PLANNED, agentId: null };
  await Promise.all([1, 2, 3, 4, 5].map(() => interceptor.beforeDispatch(hang)));
  now += 6_000;
  await Promise.all([1, 2, 3, 4, 5].map(() => interceptor.beforeDispatch(hang)));
  assert.equal(written[0]!.seen().length, 6);
  assert.equal(await interceptor.beforeDispatch(PLANNED), null);
  now += 6_000;
  assert.deepEqual((await interceptor.beforeDispatch(PLANNED))?.tags, ['decided']);
  const all = await Promise.all([1, 2].map(() => interceptor.beforeDispatch(PLANNED)));
  assert.deepEqual(
    all.map((change) => change?.tags),
    [['decided'], ['decided']],
  );
});

test('one that spins is passed by until it was killed and started anew, and then decides again', async (t) => {
  const source = 'if (dispatch.model === "spin") for (;;); return { tags: ["decided"] };';
  const { interceptor, plugins } = await deciding(t, { spins: source }, { entries: { spins: open(100) } });
  assert.equal(await interceptor.beforeDispatch({ ...PLANNED, model: 'spin' }), null);
  await until('it runs again', () => plugins.all[0]!.restarts === 1 && plugins.all[0]!.isRunning);
  assert.deepEqual((await interceptor.beforeDispatch(PLANNED))?.tags, ['decided']);
});

test('a plugin that must decide and is not loaded has every call refused; one that observes only is never asked', async (t) => {
  const house = await House.open();
  t.after(() => house.close());
  const observer = house.write('observer', 'export default { id: "observer", onRunEnd() {} };');
  const without = (await house.start([observer])).interceptor(() => RULES);
  assert.equal(without.isWanted, false);
  const broken = house.write('guard', 'throw new Error("cannot");');
  const guarded = (await house.start([broken], { entries: { guard: closed() } })).interceptor(() => RULES);
  assert.equal(guarded.isWanted, true);
  await assert.rejects(guarded.beforeDispatch(PLANNED), refusedWith('plugin_unavailable', /'guard'.*not loaded/));
  const disabled = { guard: { enabled: false, ...closed() } };
  assert.equal((await house.start([broken], { entries: disabled })).interceptor(() => RULES).isWanted, false);
});

test('a plugin that must decide cannot come back as one that does not: calls are refused until it is itself again', async (t) => {
  const house = await House.open();
  t.after(() => house.close());
  const guard = house.write(
    'guard',
    `import { existsSync } from 'node:fs';
     const beforeModelDispatch = ({ model }) => { if (model === 'end') process.exit(1); };
     const isOther = existsSync(new URL('./other', import.meta.url));
     export default isOther ? { id: 'guard', onRunEnd() {} } : { id: 'guard', beforeModelDispatch };`,
  );
  const plugins = await house.start([guard], { entries: { guard: closed() } });
  const interceptor = plugins.interceptor(() => RULES);
  await interceptor.beforeDispatch(PLANNED);
  const { path } = house.write('guard/other', '');
  await assert.rejects(interceptor.beforeDispatch({ ...PLANNED, model: 'end' }), /must decide/);
  await until('it was begun otherwise', () => plugins.all[0]!.reason === 'it came back with other hooks');
  await assert.rejects(interceptor.beforeDispatch(PLANNED), /must decide/);
  rmSync(path, { recursive: true });
  await until('it is itself again', () => plugins.all[0]!.isRunning);
  await interceptor.beforeDispatch(PLANNED);
});

test('a verdict is read strictly: what could be a misspelt denial is none', () => {
  const cases: [unknown, unknown][] = [
    [undefined, null],
    [null, null],
    [{}, { model: null, tags: [], headers: {} }],
    [{ deny: {} }, { deny: 'no reason was given' }],
    [{ deny: true }, { deny: 'no reason was given' }],
    [[], 'its verdict is no object'],
    [{ Deny: {} }, 'its verdict has a field that there is not'],
    [{ model: 7 }, 'the model of its verdict is no name'],
    [{ tags: ['a,b'] }, 'the tags of its verdict are none'],
    [{ tags: Array.from({ length: 33 }, (_, n) => `t${n}`) }, 'the tags of its verdict are none'],
  ];
  for (const [answer, verdict] of cases) assert.deepEqual(readVerdict(answer, RULES), verdict);
  assert.match(readVerdict({ headers: { 'x-a': 'b\r\nc' } }, RULES) as string, /x-a/);
  assert.match(readVerdict({ headers: { cookie: 'b' } }, RULES) as string, /cookie/);
});
