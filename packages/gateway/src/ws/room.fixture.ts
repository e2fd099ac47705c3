/** A WebSocket server with this room's connections and hub and nothing behind them: for tests of frames, limits and crowds. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import type { Caller } from '../domain/caller.ts';
import { Connection, type SocketLimits } from './connection.ts';
import { Hub } from './hub.ts';
import type { Identity } from './identity.ts';
import { WireSchemas } from './schemas.ts';
import { WIRE_SCOPES } from './scopes.ts';

export const ROOM_LIMITS: SocketLimits & { tickIntervalMs: number } = {
  handshakeTimeoutMs: 5_000,
  frameBytesMax: 1024 * 1024,
  jsonDepthMax: 64,
  socketRequestsMax: 8,
  socketRequestsPerSecondMax: 10_000,
  socketUnsentBytesMax: 256 * 1024,
  socketUnsentMaxMs: 10_000,
  tickIntervalMs: 60_000,
};

const OPERATOR: Caller = {
  tenantId: 'default',
  keyId: null,
  scopes: new Set(['dispatch', 'read', 'metrics', 'admin']),
};
export const CONNECT = JSON.stringify({
  type: 'req',
  id: 'c',
  method: 'connect',
  params: { minProtocol: 4, maxProtocol: 4, client: { id: 'test', version: '1', platform: 'test', mode: 'test' } },
});

export class Room {
  readonly hub: Hub;
  readonly opened: Connection[] = [];
  readonly bugs: unknown[] = [];
  /** What a request does; the method's name is the word. */
  call: (method: string) => unknown = (method) => ({ method });
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #clients: WebSocket[] = [];

  private constructor(schemas: WireSchemas, readonlyLimits: typeof ROOM_LIMITS) {
    const limits = (): typeof ROOM_LIMITS => readonlyLimits;
    this.hub = new Hub(limits, Date.now);
    this.#server = createServer();
    this.#sockets = new WebSocketServer({ server: this.#server, perMessageDeflate: false, maxPayload: 64 * 1024 });
    this.#sockets.on('connection', (socket) => {
      new Connection(socket, '127.0.0.1', {
        limits,
        now: Date.now,
        frameCheck: schemas.check('RequestFrame', { all: true }),
        connectCheck: schemas.check('ConnectParams', { all: true, open: true }),
        identify: async ({ client }): Promise<Identity> => ({
          ...{ caller: OPERATOR, presented: null, protocol: 4, client, deviceId: null },
          scopes: new Set(WIRE_SCOPES),
        }),
        welcome: async () => ({ type: 'hello-ok' }),
        onOpen: (connection) => {
          this.opened.push(connection);
          this.hub.add(connection);
        },
        onClose: (connection) => {
          if (this.opened.includes(connection)) this.hub.remove(connection);
        },
        call: ({ method }) => this.call(method),
        report: (error) => this.bugs.push(error),
      });
    });
  }

  static async open(limits: Partial<typeof ROOM_LIMITS> = {}): Promise<Room> {
    const room = new Room(await WireSchemas.load(), { ...ROOM_LIMITS, ...limits });
    room.#server.listen(0, '127.0.0.1');
    await once(room.#server, 'listening');
    return room;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async client(options: ClientOptions = {}): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/`, options);
    this.#clients.push(socket);
    socket.on('error', () => {});
    await once(socket, 'message');
    return socket;
  }

  /** Connected and greeted. */
  async greeted(options: ClientOptions = {}): Promise<WebSocket> {
    const socket = await this.client(options);
    socket.send(CONNECT);
    await once(socket, 'message');
    return socket;
  }

  async close(): Promise<void> {
    this.hub.close();
    for (const socket of this.#clients) socket.terminate();
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close').catch(() => {});
  }
}
