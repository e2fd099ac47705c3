/** A plugin's process where the machine has none to give, and one that says without end that it still answers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../../../../test/rig/until.ts';
import { House, LIMITS } from './house.fixture.ts';

const CHILD = new URL('./child.ts', import.meta.url).href;

/** Takes every descriptor that there is, then wants a process. */
const WITHOUT_DESCRIPTORS = `
  import { openSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  const { PluginProcess } = await import(${JSON.stringify(CHILD)});
  try { for (;;) openSync('/dev/null'); } catch {}
  const folder = { path: '/', entry: 'file:///none.js', name: 'p', manifestId: null };
  try {
    new PluginProcess({ folder, stateDir: '/tmp', limits: ${JSON.stringify(LIMITS)}, onDeath() {} });
  } catch (error) {
    console.log(error.message);
  }
  await sleep(50);
  console.log('alive');
`;

async function opened(t: TestContext): Promise<House> {
  const house = await House.open();
  t.after(() => house.close());
  return house;
}

test('where the system has no descriptor left the plugin cannot be begun, and the gateway lives on', async () => {
  const limited = [
    '-c',
    'ulimit -n 48 && exec "$0" --input-type=module -e "$1"',
    process.execPath,
    WITHOUT_DESCRIPTORS,
  ];
  const { stdout } = await promisify(execFile)('sh', limited);
  assert.match(stdout, /^it cannot be run: .*\nalive\n$/);
});

test('a plugin that could not be begun anew is tried again until it can', async (t) => {
  const house = await opened(t);
  const source =
    'export default { id: "p", onModelDispatchComplete(event, { seq, delivery }) { if (delivery === 1) process.exit(1); saw({ seq }); } };';
  const plugins = await house.start([house.write('p', source)]);
  const [plugin] = plugins.all;
  const { folder } = plugin!;
  const { path } = folder;
  // No system begins a process there.
  folder.path = `${path}\0`;
  const seq = await house.usage();
  await until('it was tried in vain', () => plugin!.restarts >= 1);
  assert.equal(plugin!.status, 'restarting');
  folder.path = path;
  await house.cursorAt('p', seq);
  assert.equal(plugin!.status, 'running');
});

test('who answers pings that nobody sent floods its channel, and is ended', async (t) => {
  const house = await opened(t);
  const source = `
    import { writeSync } from 'node:fs';
    const pongs = '{"kind":"pong"}\\n'.repeat(2000);
    setTimeout(() => { for (;;) try { writeSync(1, pongs); } catch {} }, 50);
    export default { id: 'liar', onRunEnd() {} };`;
  await house.start([house.write('liar', source)], { limits: { handlerTimeoutMs: 60_000 } });
  await until('it was ended', () => house.deaths.length > 0);
  assert.match(house.deaths[0]!.reason, /flooded its channel/);
});

test('all of a plugin’s threads leave the processor to calls, those of one that only observes most of all', async (t) => {
  const house = await opened(t);
  const told = 'onGatewayStart() { saw({ pid: process.pid }); }';
  const observes = house.write('o', `export default { id: "o", ${told}, onRunEnd() {} };`);
  const decides = house.write('d', `export default { id: "d", ${told}, beforeModelDispatch() {} };`);
  await house.start([observes, decides]);
  for (const [written, niceness] of [
    [observes, 10],
    [decides, 5],
  ] as const) {
    await until('it was told of the start', () => written.seen().length === 1);
    const threads = readdirSync(`/proc/${written.seen()[0]!.pid}/task`).map(Number);
    assert.ok(threads.length > 1);
    assert.deepEqual(new Set(threads.map((thread) => getPriority(thread))), new Set([getPriority() + niceness]));
  }
});
