/**
 * The official clients of OpenAI, Anthropic and Google, unmodified, against `/proxy/…` of a real gateway. Each golden answer is
 * asked for twice, once of the upstream itself and once through the gateway: the client must show the same, events,
 * gathered answers and errors alike, and the ledger must hold what the client shows.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { WeighbridgeClient } from '@weighbridge/client';
import type { DispatchDetail } from '@weighbridge/protocol';
import { GOLDENS } from '../packages/gateway/src/providers/golden/all.ts';
import type { Golden } from '../packages/gateway/src/providers/golden/golden.ts';
import { GatewayProcess, scratchDirectory } from './rig/gateway-process.ts';
import { LedgerReader } from './rig/ledger-reader.ts';
import { type Laid, type Received, ReplayingUpstream } from './rig/replaying-upstream.ts';
import { type Address, SDK_WAYS, type SdkWay, SIDE_CALLS } from './rig/sdk-clients.ts';
import { lastUsage, readGathered, readStream, readWhole, type Seen, seeing } from './rig/sdk-seen.ts';
import { until } from './rig/until.ts';

const DRAIN_MS = 1000;

let upstream: ReplayingUpstream;
let gateway: GatewayProcess;
let client: WeighbridgeClient;
const scratch = scratchDirectory({ after });

before(async () => {
  upstream = await ReplayingUpstream.start();
  const provider = (api: string, path: string) => ({ api, baseUrl: upstream.origin + path, apiKey: 'sk-upstream' });
  gateway = new GatewayProcess({
    stateDir: join(scratch, 'state'),
    config: {
      gateway: {
        auth: { mode: 'token' },
        http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
      },
      metering: { drain: { timeoutMs: DRAIN_MS } },
      models: {
        providers: {
          openai: provider('openai-completions', '/v1'),
          responses: provider('openai-responses', '/v1'),
          anthropic: provider('anthropic-messages', ''),
          google: provider('google-generate', '/v1beta'),
        },
      },
    },
  });
  await gateway.start();
  client = new WeighbridgeClient({ url: gateway.url, token: gateway.token });
});

after(async () => {
  await gateway.stop();
  upstream.close();
});

/** As the clients' settings name them; Google's adds the version itself. */
const direct = (way: { basePath: string }): Address => ({ url: upstream.origin + ownBase(way), key: 'sk-direct' });
const through = (way: { basePath: string; provider: string }, token = gateway.token): Address => ({
  url: `${gateway.url}/proxy/${way.provider}${ownBase(way)}`,
  key: token,
});
const ownBase = ({ basePath }: { basePath: string }) => (basePath === '/v1beta' ? '' : basePath);

/** Past the gateway and through it; the same bodies must have been sent. */
async function bothWays(
  way: { basePath: string; provider: string },
  see: (at: Address) => Promise<Seen>,
  what: string,
) {
  const from = upstream.received.length;
  const expected = await see(direct(way));
  const between = upstream.received.length;
  const seen = await see(through(way));
  assert.deepEqual(seen, expected, what);
  const bodies = (requests: readonly Received[]) => requests.map(({ sha256, url, method }) => [method, url, sha256]);
  const sent = upstream.received.slice(between);
  assert.deepEqual(bodies(sent), bodies(upstream.received.slice(from, between)), what);
  return { seen, entries: await Promise.all(sent.map(entryOf)) };
}

const dispatchOf = ({ headers }: Pick<Received, 'headers'>) => String(headers['x-client-request-id']);

async function entryOf(request: Pick<Received, 'headers'>): Promise<DispatchDetail> {
  let entry: DispatchDetail | null = null;
  await until(`${dispatchOf(request)} is settled`, async () => {
    entry = await client.dispatch(dispatchOf(request));
    return entry.outcome !== null;
  });
  return entry!;
}

const laidStream = ({ stream }: Golden): Laid => ({
  headers: { 'content-type': 'text/event-stream' },
  chunks: [stream],
});
const laidWhole = ({ body }: Golden): Laid => ({ headers: { 'content-type': 'application/json' }, chunks: [body!] });

/** Where the client shows another number than the vendor's definition gives, and why. */
const SHOWN_OTHERWISE: Readonly<Record<string, string>> = {
  'openai-completions: DeepSeek’s usage': 'cached tokens in a field of the vendor’s own',
  'openai-completions: xAI’s reasoning outside the count': 'the output is without the reasoning',
  'anthropic-messages: a compaction on the server': 'the sum is without the compaction',
  'anthropic-messages: an advisor of another model': 'the sum is without the other model’s',
  'google-generate: a usage in every chunk that loses fields': 'the last chunk has fewer',
  'google-generate: a usage that goes down': 'the client takes the later number',
  'google-generate: an older total with the tools’ share inside the prompt': 'two versions of one field',
};

function assertCounted(way: SdkWay, golden: Golden, { shown }: Seen, entry: DispatchDetail, what: string): void {
  assert.deepEqual([entry.source, entry.api, entry.httpStatus], ['proxy', way.api, 200], what);
  const { usage } = golden.expected;
  if (usage !== null && (golden.expected.isWhole || shown.length === 1)) assert.deepEqual(entry.usage, usage, what);
  const told = lastUsage(way, shown);
  if (told === null || !golden.expected.isWhole) return;
  const { input, output, cacheRead, cacheWrite, cacheWrite1h } = entry.usage!;
  const counted = { input, output, cacheRead, cacheWrite: cacheWrite + cacheWrite1h };
  const exception = `${way.api}: ${golden.name}`;
  if (exception in SHOWN_OTHERWISE) {
    if (!isDeepStrictEqual(counted, told)) exceptionsSeen.add(exception);
    return;
  }
  assert.deepEqual(counted, told, what);
  compared++;
}

let compared = 0;
const exceptionsSeen = new Set<string>();

for (const way of SDK_WAYS) {
  const goldens = GOLDENS.filter(({ api }) => api === way.api);

  test(`${way.name}: whole answers are what the vendor gave, and are counted as shown`, async () => {
    for (const golden of goldens.filter(({ body }) => body !== null)) {
      upstream.lay(laidWhole(golden));
      const { seen, entries } = await bothWays(way, (at) => readWhole(way, at), golden.name);
      assert.equal(entries.length, 1);
      assertCounted(way, golden, seen, entries[0]!, golden.name);
    }
  });

  test(`${way.name}: streams are what the vendor gave, event for event, and are counted as shown`, async () => {
    compared = 0;
    for (const golden of goldens) {
      upstream.lay(laidStream(golden));
      const { seen, entries } = await bothWays(way, (at) => readStream(way, at), golden.name);
      assert.equal(entries.length, 1);
      assertCounted(way, golden, seen, entries[0]!, golden.name);
      if (way.gathered !== null) await bothWays(way, (at) => readGathered(way, at), `${golden.name}, gathered`);
    }
    assert.ok(compared >= 8, `only ${compared} answers showed a usage to compare`);
  });

  test(`${way.name}: the client’s own tool loop runs, each turn of it an entry`, async () => {
    const turn = goldens.find(({ name }) => name === 'a call of the caller’s tool')!;
    const last = goldens.find(({ name }) => name === 'a cache hit')!;
    for (const isStreamed of [false, true]) {
      const lay = isStreamed ? laidStream : laidWhole;
      let asks = 0;
      upstream.lay(() => lay(asks++ % 2 === 0 ? turn : last));
      const loop = (at: Address) => seeing(async (shown) => void shown.push(await way.toolLoop(at, isStreamed)));
      const { seen, entries } = await bothWays(way, loop, `streamed: ${isStreamed}`);
      assert.equal(seen.error, null);
      assert.deepEqual(
        entries.map(({ usage }) => usage),
        [turn.expected.usage, last.expected.usage],
      );
    }
  });

  test(`${way.name}: errors are the client’s own classes, the vendor’s and the gateway’s alike`, async () => {
    for (const status of [400, 401, 403, 404, 409, 422, 429, 500, 503, 529]) {
      const body = { type: 'error', error: { type: 'some_error', code: status, message: `no, ${status}` } };
      upstream.lay({
        status,
        headers: { 'content-type': 'application/json' },
        chunks: [Buffer.from(JSON.stringify(body))],
      });
      for (const read of [readWhole, readStream]) {
        const { seen, entries } = await bothWays(way, (at) => read(way, at), String(status));
        assert.equal(seen.error?.class, (way.errorClasses[status] ?? openClass(way, status)).name);
        assert.equal(seen.error.status, status);
        assert.deepEqual(
          entries.map(({ outcome, usage, httpStatus }) => [outcome, usage, httpStatus]),
          [['failed', null, status]],
        );
      }
    }
    const before = upstream.received.length;
    const stranger = (await readStream(way, through(way, 'wrong'))).error!;
    assert.deepEqual([stranger.class, stranger.status], [(way.errorClasses[401] ?? way.errorClass).name, 401]);
    const nowhere = (await readWhole(way, through({ ...way, provider: 'nobody' }))).error!;
    assert.deepEqual([nowhere.class, nowhere.status], [(way.errorClasses[404] ?? way.errorClass).name, 404]);
    assert.match(nowhere.message, /no provider 'nobody' to pass to; there are openai, responses, anthropic, google/);
    assert.equal(upstream.received.length, before);
  });

  test(`${way.name}: each try of a client that tries again is an entry`, async () => {
    const golden = goldens.find(({ name }) => name === 'a cache hit')!;
    let asks = 0;
    const busy = { status: 429, headers: { 'retry-after-ms': '1', 'retry-after': '0' }, chunks: [Buffer.from('{}')] };
    upstream.lay(() => (asks++ < 2 ? busy : laidWhole(golden)));
    const from = upstream.received.length;
    await way.whole(through(way), { retries: 2 });
    const entries = await Promise.all(upstream.received.slice(from).map(entryOf));
    assert.deepEqual(
      entries.map(({ httpStatus, usage }) => [httpStatus, usage]),
      [
        [429, null],
        [429, null],
        [200, golden.expected.usage],
      ],
    );
    assert.equal(new Set(entries.map(({ dispatchId }) => dispatchId)).size, 3);
  });

  test(`${way.name}: a stream that is left and goes on is counted to its end`, async () => {
    const golden = goldens.find(({ name }) => name === 'a cache hit')!;
    for (const leave of way.leaves) {
      const left = Promise.withResolvers<void>();
      upstream.lay(() => halfThen(golden, left.promise));
      await leaveStream(way, leave);
      left.resolve();
      const { usage, usageSource } = await entryOf(upstream.last);
      assert.deepEqual([usage, usageSource], [golden.expected.usage, 'reported'], leave);
    }
  });
}

function halfThen(golden: Golden, goesOn: Promise<void>): Laid {
  const half = golden.stream.indexOf('\n', golden.stream.length / 2);
  const chunks = async function* () {
    yield golden.stream.subarray(0, half);
    await goesOn;
    yield golden.stream.subarray(half);
  };
  return { headers: { 'content-type': 'text/event-stream' }, chunks: chunks() };
}

/** As soon as the first event is there. */
async function leaveStream(way: SdkWay, leave: 'abort' | 'break'): Promise<void> {
  const controller = new AbortController();
  const { shown, error } = await seeing(async (shown) => {
    for await (const event of await way.stream(through(way), { signal: controller.signal })) {
      shown.push(event);
      if (leave === 'break') break;
      controller.abort();
    }
  });
  assert.ok(shown.length > 0, way.name);
  assert.ok(error === null || error.class === way.abortClass.name, JSON.stringify(error));
}

const wayOf = (url: string) => SDK_WAYS.find(({ path }) => url.includes(path))!;
const lastOf = (way: SdkWay) => upstream.received.findLast(({ url }) => wayOf(url) === way)!;

for (const leave of ['abort', 'break'] as const) {
  test(`a stream that is left by ${leave} and goes on no more is estimated from what passed, never 0, never missing`, async () => {
    upstream.lay(({ url, socket }) => {
      const { api } = wayOf(url!);
      const golden = GOLDENS.find((one) => one.api === api && one.name === 'a cache hit')!;
      return halfThen(golden, new Promise((resolve) => socket.once('close', resolve)));
    });
    const ways = SDK_WAYS.filter(({ leaves }) => leaves.includes(leave));
    await Promise.all(ways.map((way) => leaveStream(way, leave)));
    for (const way of ways) {
      const { outcome, usage, usageSource } = await entryOf(lastOf(way));
      assert.equal(outcome, 'aborted', way.name);
      assert.match(usageSource!, /^(estimated|partial)$/, way.name);
      assert.ok(usage!.input > 0 && usage!.output > 0, `${way.name}: ${JSON.stringify(usage)}`);
    }
  });
}

test('a call that is aborted before its answer begins is counted', async () => {
  const arrivals = new Map(SDK_WAYS.map((way) => [way, Promise.withResolvers<void>()]));
  upstream.lay(({ url, socket }) => {
    const chunks = async function* () {
      arrivals.get(wayOf(url!))!.resolve();
      await new Promise((resolve) => socket.once('close', resolve));
      yield Buffer.alloc(0);
    };
    return { chunks: chunks() };
  });
  const aborted = SDK_WAYS.map(async (way) => {
    const controller = new AbortController();
    const asking = { signal: controller.signal };
    const read = seeing(async (shown) => void shown.push(await way.whole(through(way), asking)));
    await arrivals.get(way)!.promise;
    controller.abort();
    assert.equal((await read).error?.class, way.abortClass.name);
  });
  await Promise.all(aborted);
  for (const way of SDK_WAYS) {
    const { outcome, usage, usageSource } = await entryOf(lastOf(way));
    assert.deepEqual([outcome, usageSource], ['aborted', 'estimated'], way.name);
    assert.ok(usage!.input > 0, way.name);
  }
});

function openClass({ errorClass, errorClasses }: SdkWay, status: number) {
  return (status >= 500 ? errorClasses[500] : undefined) ?? errorClass;
}

/** The same clients at the doors, which take `<provider>/<model>`. */
const DOORS: Readonly<Partial<Record<SdkWay['api'], { provider: string; path: string }>>> = {
  'openai-completions': { provider: 'openai', path: '/v1' },
  'openai-responses': { provider: 'responses', path: '/v1' },
  'anthropic-messages': { provider: 'anthropic', path: '' },
};

for (const way of SDK_WAYS) {
  const door = DOORS[way.api];
  if (door === undefined) continue;
  const at = (): Address => ({
    url: gateway.url + door.path,
    key: gateway.token,
    model: `${door.provider}/golden-1`,
  });
  test(`${way.name}: at the door, whole, streamed and with tools, the same is shown and counted`, async () => {
    const goldens = GOLDENS.filter(({ api, expected }) => api === way.api && expected.errorKind === null);
    for (const golden of goldens) {
      for (const isStreamed of [false, true]) {
        if (!isStreamed && golden.body === null) continue;
        upstream.lay(isStreamed ? laidStream(golden) : laidWhole(golden));
        const read = isStreamed ? readStream : readWhole;
        const what = `${golden.name}, ${isStreamed ? 'streamed' : 'whole'}`;
        const expected = await read(way, direct(way));
        assert.deepEqual(await read(way, at()), expected, what);
        const { source, usage } = await entryOf(upstream.last);
        assert.equal(source, 'gateway', what);
        if (golden.expected.isWhole) assert.deepEqual(usage, golden.expected.usage, what);
      }
    }
    const turn = goldens.find(({ name }) => name === 'a call of the caller’s tool')!;
    const last = goldens.find(({ name }) => name === 'a cache hit')!;
    let asks = 0;
    upstream.lay(() => laidStream(asks++ === 0 ? turn : last));
    await way.toolLoop(at(), true);
    assert.equal(asks, 2);
  });
}

test('what a client shows otherwise than the vendor defines is only what is listed here', () => {
  assert.deepEqual([...exceptionsSeen].sort(), Object.keys(SHOWN_OTHERWISE).sort());
});

test('calls beside the models’ answers pass, and are counted where they say what they cost', async () => {
  for (const { answer, call, input, name, ...way } of SIDE_CALLS) {
    upstream.lay({
      headers: { 'content-type': 'application/json' },
      chunks: [Buffer.from(JSON.stringify(answer))],
    });
    const see = (at: Address) => seeing(async (shown) => void shown.push(await call(at)));
    const { seen, entries } = await bothWays(way, see, name);
    assert.equal(seen.error, null, name);
    assert.deepEqual(
      entries.map(({ usage, usageSource }) => [usage?.input ?? null, usageSource]),
      [[input, input === null ? 'none' : 'reported']],
      name,
    );
  }
});

test('every request that came through the gateway has exactly one entry, and no entry is without its request', () => {
  const ledger = new LedgerReader(gateway.databaseFile);
  const entries = ledger.entries();
  assert.deepEqual(ledger.inconsistencies(), []);
  ledger.close();
  const requests = upstream.received.filter(({ headers }) => headers['x-weighbridge-hop'] !== undefined);
  assert.ok(requests.length > 200);
  assert.deepEqual(entries.map(({ dispatchId }) => dispatchId).sort(), requests.map(dispatchOf).sort());
  assert.ok(entries.every(({ outcome }) => outcome !== null));
});
