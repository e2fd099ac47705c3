/**
 * What a closing server does with the connections that Node would wait for without end: those on which nothing was ever
 * asked (clients open them in advance), and those whose request does not come to its end. Runs have been drained before.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** `graceMs`: for what is still being asked or answered when the server begins to close. */
export function closeLastConnections(app: FastifyInstance, graceMs: number): void {
  const { server } = app;
  const unasked = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    unasked.add(socket);
    socket.once('close', () => unasked.delete(socket));
  });
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    unasked.delete(raw.socket);
    done();
  });
  app.addHook('preClose', (done) => {
    // Node looks for slow senders only while it listens.
    setTimeout(() => server.closeAllConnections(), graceMs).unref();
    for (const socket of unasked) socket.destroy();
    done();
  });
}
