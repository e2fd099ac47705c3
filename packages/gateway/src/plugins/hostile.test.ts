/**
 * Plugins that do everything wrong: each is stopped, counted and started anew, what it cannot handle is set aside, and the
 * plugin beside it gets every event as if nothing were.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { EventEnvelope } from '@weighbridge/protocol';
import { ENGINES } from '../../../../test/rig/databases.ts';
import { until } from '../../../../test/rig/until.ts';
import type { PluginLimits } from '../domain/plugin.ts';
import type { Engine } from '../store/store.ts';
import { Delivery } from './delivery.ts';
import { House, type Written } from './house.fixture.ts';
import type { PluginFaults } from './plugin.ts';
import type { Plugins } from './plugins.ts';

async function opened(t: TestContext, engine: Engine = 'sqlite'): Promise<House> {
  const house = await House.open(engine);
  t.after(() => house.close());
  return house;
}

const hooked = (body: string, before = ''): string => `
${before}
export default { id: 'hostile', async onModelDispatchComplete(event, ctx) { ${body} } };
`;
/** Past everything that was taken away inside. */
const FLOOD = 'const { writeSync } = await import("node:fs"); for (;;) try { writeSync(1, "{}\\n"); } catch {}';
const BYSTANDER = 'export default { id: "bystander", onModelDispatchComplete(event, { seq }) { saw({ seq }); } };';

interface Played {
  house: House;
  plugins: Plugins;
  hostile: Written;
  seqs: number[];
  faults: PluginFaults;
}

/** Some events with a bad one among them; both plugins come to the end. */
async function play(
  t: TestContext,
  source: string,
  { limits = {}, engine = 'sqlite' as Engine }: { limits?: Partial<PluginLimits>; engine?: Engine } = {},
): Promise<Played> {
  const house = await opened(t, engine);
  const hostile = house.write('hostile', source);
  const bystander = house.write('bystander', BYSTANDER);
  const plugins = await house.start([hostile, bystander], { limits });
  const seqs = await appended(house);
  for (const id of ['bystander', 'hostile']) await house.cursorAt(id, seqs.at(-1)!);
  assert.deepEqual(
    bystander.seen().map(({ seq }) => seq),
    seqs,
    'the bystander',
  );
  const { faults } = plugins.all.find(({ id }) => id === 'hostile')!;
  return { house, plugins, hostile, seqs, faults };
}

/** Nine events of three sessions, the fifth of them bad. */
async function appended(house: House): Promise<number[]> {
  const seqs: number[] = [];
  for (let n = 0; n < 9; n++) seqs.push(await house.usage({ bad: n === 4, sessionKey: `s${n % 3}` }));
  return seqs;
}

async function asideOf({ plugins }: Played): Promise<[number, number][]> {
  return (await plugins.aside.list('hostile', 100)).map(({ seq, failures }) => [seq, failures]);
}

for (const engine of ENGINES) {
  test(`on ${engine} an event that a plugin fails on is set aside after its failures, and comes again when it is replayed`, async (t) => {
    const source = hooked(
      'if (event.bad && !existsSync(new URL("./mended", import.meta.url))) throw new Error("cannot"); saw({ seq: ctx.seq });',
      'import { existsSync } from "node:fs";',
    );
    const played = await play(t, source, { engine });
    const { house, plugins, hostile, seqs } = played;
    const [bad] = seqs.slice(4);
    assert.deepEqual(await asideOf(played), [[bad, 3]]);
    assert.equal(played.faults.threw, 3);
    assert.match((await plugins.aside.list('hostile', 1))[0]!.reason, /cannot/);
    assert.deepEqual(await plugins.replay('hostile', null), { setAside: 1 });
    await until('it failed again', () => played.faults.threw === 6);
    await until('it is set aside again', async () => (await plugins.aside.list('hostile', 1))[0]?.waiting === 0);
    house.write('hostile/mended', '');
    await plugins.replay('hostile', null);
    await until('it is forgotten', async () => (await plugins.aside.count('hostile')) === 0);
    const handled = hostile.seen().map(({ seq }) => seq);
    assert.deepEqual([...handled].sort(), [...seqs].sort());
    assert.equal(handled.at(-1), bad);
    // Everything from a number on comes once more.
    await plugins.replay('hostile', seqs[6]!);
    await until('three came again', () => hostile.seen().length === seqs.length + 3);
    assert.equal(await plugins.replay('nobody', null), null);
    // A number ahead of the cursor skips nothing.
    await plugins.replay('hostile', 1_000_000);
    const next = await house.usage();
    await until('what comes next was delivered', () => hostile.seen().at(-1)?.seq === next);
  });
}

test('a gateway closes in the midst of a replay of more than a plugin may have in hand', async (t) => {
  const house = await opened(t);
  const seqs: number[] = [];
  for (let n = 0; n < 300; n++) seqs.push(await house.usage());
  const source =
    'export default { id: "slow", async onModelDispatchComplete(e, { seq }) { saw({ seq }); await new Promise((r) => setTimeout(r, 100)); } };';
  const slow = house.write('slow', source);
  const plugins = await house.start([slow]);
  for (const event of await house.log.at(seqs)) await plugins.aside.add('slow', event, 1, 'once');
  assert.deepEqual(await plugins.replay('slow', null), { setAside: 300 });
  await until('some came again', () => slow.seen().length > 4);
  let isClosed = false;
  void plugins.close().then(() => {
    isClosed = true;
  });
  await until('it is closed', () => isClosed);
  assert.ok(slow.seen().length < 300);
  assert.ok((await plugins.aside.count('slow')) > 200, 'what did not come again is set aside still');
});

test('where the lease is lost before anything was taken, nothing is delivered and nobody waits', async () => {
  const performed: unknown[] = [];
  const delivery = new Delivery({
    plugin: {
      isRunning: false,
      whenRunning: () => Promise.resolve(),
      perform: (task) => {
        performed.push(task);
        return Promise.resolve({ end: 'died', text: 'it does not run', alone: false });
      },
    },
    limits: { failuresMax: 2, concurrentMax: 4 },
    onDelivered: () => {},
    setAside: () => Promise.resolve(),
    forget: () => Promise.resolve(),
    moveCursor: () => Promise.resolve(true),
    signal: AbortSignal.abort(),
  });
  for (let seq = 1; seq <= 300; seq++) await delivery.take({ seq, data: {} } as EventEnvelope);
  await delivery.settled();
  assert.deepEqual(performed, []);
});

const KILLERS: [string, string][] = [
  ['spins', 'for (;;);'],
  ['leaves', 'process.exit(0);'],
  ['heap', 'const kept = []; for (;;) kept.push({ x: new Array(1000).fill(ctx) });'],
  ['buffers', 'globalThis.kept = []; for (;;) { kept.push(Buffer.alloc(4 << 20, 1)); await null; }'],
  ['floods', FLOOD],
];
test('whoever kills its process is started anew, and only the event that does it is set aside', async (t) => {
  const house = await opened(t);
  const written = KILLERS.map(([name, body]) =>
    house.write(name, hooked(`if (event.bad) { ${body} } saw({ seq: ctx.seq });`).replace("'hostile'", `'${name}'`)),
  );
  const bystander = house.write('bystander', BYSTANDER);
  const limits = { handlerTimeoutMs: 300, failuresMax: 1, heapBytesMax: 32 << 20 };
  const plugins = await house.start([...written, bystander], { limits });
  const seqs = await appended(house);
  await house.cursorAt('bystander', seqs.at(-1)!);
  for (const [index, [name]] of KILLERS.entries()) {
    await house.cursorAt(name, seqs.at(-1)!, 30_000);
    const aside = await plugins.aside.list(name, 100);
    assert.deepEqual(
      aside.map(({ seq }) => seq),
      [seqs[4]],
      name,
    );
    assert.ok(plugins.all[index]!.faults.died >= 1, name);
    const handled = new Set(written[index]!.seen().map(({ seq }) => seq));
    assert.deepEqual([...handled].sort(), seqs.filter((seq) => seq !== seqs[4]).sort(), name);
  }
  assert.deepEqual(
    bystander.seen().map(({ seq }) => seq),
    seqs,
  );
});

test('one that spins outside of any handler is found by its silence', async (t) => {
  const house = await opened(t);
  const plugin = house.write(
    'spinner',
    'setTimeout(() => { for (;;); }, 50); export default { id: "spinner", onRunEnd() {} };',
  );
  await house.start([plugin], { limits: { handlerTimeoutMs: 200 } });
  await until('it was ended', () => house.deaths.length > 0);
  assert.match(house.deaths[0]!.reason, /answered nothing/);
});

/** Each does something wrong over the bad event, and lives on. */
const UNRULY: Record<string, string> = {
  hangs: hooked('if (event.bad) await new Promise(() => {});'),
  strays: hooked(
    'if (event.bad) { setTimeout(() => { throw new Error("late"); }); Promise.reject(new Error("lost")); }',
  ),
  pollutes: hooked(`
    Object.prototype.outcome = 'polluted'; Array.prototype.map = () => { throw new Error('mine'); };
    let changed = 0;
    for (const change of [() => { event.model = 'x'; }, () => { event.tags.push('x'); }, () => { ctx.config.x = 1; }]) {
      try { change(); changed++; } catch {}
    }
    saw({ changed });
  `),
  shouts: hooked(
    'if (event.bad) for (let n = 0; n < 3000; n++) { console.log("x".repeat(5000)); process.stdout.write("y\\n"); }',
  ),
  // Answers tasks that it was not given, and says what makes no sense.
  forges: hooked(
    'if (event.bad) return { deny: { reason: "x" } };',
    `import { writeSync } from 'node:fs';
     const odd = '{"toString":1}';
     const junk = ['null', '7', '{', '{}', '{"kind":"done","n":1e9,"error":5}', '{"kind":"line"}', '"x"',
       '{"kind":"line","level":' + odd + ',"text":' + odd + '}', '{"kind":"lines-dropped","count":' + odd + '}',
       '{"kind":"lines-dropped","count":-5}', '{"kind":"stray","error":' + odd + '}'];
     for (const line of junk) writeSync(1, line + '\\n');`,
  ),
};

test('who hangs, throws where nobody listens, pollutes, shouts or forges answers hurts itself only, and is not ended', async (t) => {
  const house = await opened(t);
  const names = Object.keys(UNRULY);
  const written = names.map((name) => house.write(name, UNRULY[name]!.replace("'hostile'", `'${name}'`)));
  const bystander = house.write('bystander', BYSTANDER);
  const limits = { handlerTimeoutMs: 1_000, failuresMax: 2, logLinesMax: 7 };
  const plugins = await house.start([...written, bystander], { limits });
  const seqs = await appended(house);
  for (const id of [...names, 'bystander']) await house.cursorAt(id, seqs.at(-1)!, 30_000);
  assert.deepEqual(
    bystander.seen().map(({ seq }) => seq),
    seqs,
  );
  const plugin = (name: string) => plugins.all.find(({ id }) => id === name)!;
  assert.deepEqual(
    plugins.all.map(({ faults }) => faults.died),
    plugins.all.map(() => 0),
  );
  const hanging = await plugins.aside.list('hangs', 9);
  assert.deepEqual(
    hanging.map(({ seq, failures }) => [seq, failures]),
    [[seqs[4], 2]],
  );
  assert.equal(plugin('hangs').faults.late, 2);
  await until('both strays were heard of', () => plugin('strays').faults.stray === 2);
  for (const name of names.slice(1)) assert.equal(await plugins.aside.count(name), 0, name);
  assert.equal(({} as { outcome?: unknown }).outcome, undefined);
  assert.deepEqual(new Set(written[2]!.seen().map(({ changed }) => changed)), new Set([0]));
  const shouted = house.said.filter(({ plugin: who }) => who === 'shouts');
  assert.equal(shouted.length, 8);
  assert.ok(shouted.every(({ text }) => text.length <= 2048));
  assert.match(shouted.at(-1)!.text, /more than 7 lines/);
});

test('of two gateways on one database one follows for a plugin, and the other goes on when it ends', async (t) => {
  const house = await opened(t, 'postgres');
  const plugin = house.write('bystander', BYSTANDER);
  const first = await house.start([plugin]);
  const one = await house.usage();
  await house.cursorAt('bystander', one);
  await house.start([plugin]);
  const two = await house.usage();
  await house.cursorAt('bystander', two);
  await first.close();
  const three = await house.usage();
  await house.cursorAt('bystander', three);
  assert.deepEqual(
    plugin.seen().map(({ seq }) => seq),
    [one, two, three],
  );
});
