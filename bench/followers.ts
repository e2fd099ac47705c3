/**
 * `node bench/followers.ts`: what those who follow the log do to a call's latency. One gateway for each variant, all before the
 * same upstream; rounds interleave, so that the machine's moods fall on all alike. The first variant runs twice: A/A says how
 * large a difference means nothing. Flags: `--quick`, `--pairs=N`, `--only=NAME`. Another follower is another row of VARIANTS.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, percentile, requestBytes } from '../test/rig/load.ts';
import { WebhookReceiver } from '../test/rig/webhook-receiver.ts';
import { endAll, pinItself, start } from './pinned.ts';

const isQuick = process.argv.includes('--quick');
const flag = (name: string): string | undefined =>
  process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const PAIRS = Number(flag('pairs') ?? (isQuick ? 3 : 11));
const ROUND_MS = isQuick ? 500 : 1_500;
const CONNECTIONS = 4;

interface Variant {
  name: string;
  /** What its configuration has beside the usual. */
  extra: (urls: { hanging: string; healthy: string }) => object;
  /** Done with the gateway once it runs. */
  begin?: (url: string, token: string) => Promise<void>;
}

const VARIANTS: readonly Variant[] = [
  { name: 'nobody follows', extra: () => ({}) },
  { name: 'nobody follows, again (A/A)', extra: () => ({}) },
  {
    name: 'a webhook that hangs',
    extra: ({ hanging }) => ({ webhooks: [{ url: hanging, allowPrivate: true, retry: { firstMs: 1000 } }] }),
  },
  {
    name: 'a webhook that is refused',
    extra: () => ({ webhooks: [{ url: 'http://127.0.0.1:9/', allowPrivate: true, retry: { firstMs: 1000 } }] }),
  },
  { name: 'a feed that is not read', extra: () => ({}), begin: openFeed },
  {
    name: 'a webhook that works (100 in a message)',
    extra: ({ healthy }) => ({ webhooks: [{ url: healthy, allowPrivate: true, batch: { max: 100, waitMs: 200 } }] }),
  },
  { name: 'a plugin that records', extra: () => withPlugin('records', observer('writes.push(event.dispatchId);')) },
  { name: 'a plugin that spins', extra: () => withPlugin('spins', observer('for (;;);')) },
  { name: 'a plugin that never ends', extra: () => withPlugin('hangs', observer('await new Promise(() => {});')) },
  {
    name: 'a plugin that fills its memory',
    extra: () => withPlugin('bombs', observer('for (;;) writes.push([event]);')),
  },
  {
    name: 'a plugin that shouts',
    extra: () => withPlugin('shouts', observer('for (let n = 0; n < 1e4; n++) console.log(n);')),
  },
  { name: 'a plugin that decides at once', extra: () => withPlugin('decides', decider('return null;')) },
  {
    name: 'a plugin that never decides (failOpen)',
    extra: () => withPlugin('stalls', decider('await new Promise(() => {});')),
  },
];

function observer(body: string): string {
  return `const writes = []; export default { id: 'bench', async onModelDispatchComplete(event) { ${body} } };`;
}

function decider(body: string): string {
  return `export default { id: 'bench', async beforeModelDispatch(dispatch) { ${body} } };`;
}

function withPlugin(folder: string, source: string): object {
  const path = join(scratch, folder);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), '{ "name": "bench", "type": "module", "main": "index.js" }');
  writeFileSync(join(path, 'index.js'), source);
  return { plugins: { load: { paths: [path] } } };
}

interface Running {
  name: string;
  url: string;
  request: Buffer;
  p50: number[];
  p99: number[];
  rate: number[];
}

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-bench-'));
const feeds: Response[] = [];

try {
  await main();
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);

async function main(): Promise<void> {
  pinItself();
  const urls = { hanging: await hangingServer(), healthy: (await WebhookReceiver.start()).url };
  const { url: upstream } = await start([join(root, 'bench/upstream.ts')], /listening on (\S+)/, { beside: true });
  const wanted = VARIANTS.filter(({ name }, index) => index < 2 || name.includes(flag('only') ?? ''));
  const running: Running[] = [];
  for (const variant of wanted) running.push(await gatewayOf(variant, upstream, urls));
  for (const { url, request } of running) await load({ url, request, connections: 16, answersMax: 2000 });
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const one of pair % 2 === 0 ? running : running.toReversed()) await round(one);
  }
  const [base] = running as [Running];
  console.log(
    `${CONNECTIONS} connections, ${PAIRS} interleaved rounds of ${ROUND_MS} ms each; median (range) of the ratios`,
  );
  for (const one of running) {
    const ratio = (of: 'p50' | 'p99' | 'rate'): string =>
      spread(one[of].map((value, index) => value / base[of][index]!));
    const own = `p50 ${percentile(one.p50, 0.5).toFixed(2)} ms, p99 ${percentile(one.p99, 0.5).toFixed(2)} ms`;
    console.log(
      `  ${one.name.padEnd(40)} ${own.padEnd(28)} p50 ×${ratio('p50')}  p99 ×${ratio('p99')}  rate ×${ratio('rate')}`,
    );
  }
}

async function round({ url, request, p50, p99, rate, name }: Running): Promise<void> {
  const result = await load({ url, request, connections: CONNECTIONS, durationMs: ROUND_MS });
  if (result.failures > 0) throw new Error(`${name}: ${result.failures} calls failed`);
  p50.push(percentile(result.latenciesMs, 0.5));
  p99.push(percentile(result.latenciesMs, 0.99));
  rate.push((result.answers * 1000) / result.elapsedMs);
}

async function gatewayOf(
  { name, extra, begin }: Variant,
  upstream: string,
  urls: { hanging: string; healthy: string },
): Promise<Running> {
  const stateDir = mkdtempSync(join(scratch, 'gateway-'));
  const config = `${stateDir}.json5`;
  const provider = { baseUrl: `${upstream}/v1`, api: 'openai-completions', apiKey: 'k', models: [{ id: 'bench' }] };
  writeFileSync(
    config,
    JSON.stringify({
      gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
      models: { providers: { bench: provider } },
      ...extra(urls),
    }),
  );
  const main = join(root, 'packages/gateway/src/main.ts');
  const args = [main, 'serve', '--port', '0', '--state-dir', stateDir, '--config', config];
  const { url } = await start(args, /^weighbridge listening on (\S+)$/m);
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim();
  await begin?.(url, token);
  const body = { model: 'bench/bench', messages: [{ role: 'user', content: 'hello' }] };
  const headers = { authorization: `Bearer ${token}` };
  return {
    name,
    url,
    request: requestBytes({ url, path: '/v1/chat/completions', headers, body }),
    p50: [],
    p99: [],
    rate: [],
  };
}

/** Takes connections and never answers. */
async function hangingServer(): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it has no port');
  return `http://127.0.0.1:${address.port}/`;
}

async function openFeed(url: string, token: string): Promise<void> {
  const answer = await fetch(`${url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`the feed answered ${answer.status}`);
  // Held, and never read.
  feeds.push(answer);
}

/** Median, and the range it was seen in. */
function spread(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `${percentile(values, 0.5).toFixed(3)} (${sorted[0]!.toFixed(2)} to ${sorted.at(-1)!.toFixed(2)})`;
}
