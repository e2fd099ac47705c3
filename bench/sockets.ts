/**
 * What a crowd of WebSockets costs a gateway: memory of one that is open and idle, the longest wait of a health probe while a
 * tick goes to all of them, and how long an event takes to reach them. Each is a real connection: challenged, greeted, told its
 * health.
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface SocketFigures {
  sockets: number;
  connectMs: number;
  kilobytesEach: number;
  /** Of a probe, while nothing else went on but the sockets' own ticks. */
  probeWorstMs: number;
  closeMs: number;
}

const AT_ONCE = 64;
const SETTLE_MS = 3_000;
const PROBES = 60;

export async function measureSockets(
  { url, token, rssMb }: { url: string; token: string; rssMb: () => number },
  count: number,
): Promise<SocketFigures> {
  // What the first one loads is not its own; nor is the room for what is young, which grows with any burst of handshakes.
  const first = await connected(url, token);
  for (const socket of await connectedMany({ url, token }, count / 5)) await closed(socket);
  await pause(SETTLE_MS);
  const before = rssMb();
  const startedAt = performance.now();
  const sockets = await connectedMany({ url, token }, count);
  const connectMs = performance.now() - startedAt;
  await pause(SETTLE_MS);
  const kilobytesEach = ((rssMb() - before) * 1024) / count;
  const probeWorstMs = await worstProbe(url);
  const closingAt = performance.now();
  await Promise.all([first, ...sockets].map((socket) => closed(socket)));
  return { sockets: count, connectMs, kilobytesEach, probeWorstMs, closeMs: performance.now() - closingAt };
}

async function connectedMany({ url, token }: { url: string; token: string }, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  for (let at = 0; at < count; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - at) }, () => connected(url, token));
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

async function connected(url: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), { perMessageDeflate: false });
  await once(socket, 'message');
  const params = {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: 'gateway-client', version: '1', platform: 'linux', mode: 'backend' },
    scopes: ['operator.read'],
    auth: { token },
  };
  socket.send(JSON.stringify({ type: 'req', id: 'c', method: 'connect', params }));
  const [data] = (await once(socket, 'message')) as [Buffer];
  if (!(JSON.parse(data.toString()) as { ok?: boolean }).ok)
    throw new Error(`not let in: ${data.toString().slice(0, 200)}`);
  return socket;
}

async function worstProbe(url: string): Promise<number> {
  let worst = 0;
  for (let n = 0; n < PROBES; n++) {
    const from = performance.now();
    await (await fetch(`${url}/healthz`)).text();
    worst = Math.max(worst, performance.now() - from);
    await pause(100);
  }
  return worst;
}

async function closed(socket: WebSocket): Promise<void> {
  socket.close();
  if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
