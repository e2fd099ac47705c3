/**
 * The yardstick: a proxy of nothing but `node:http`, which passes bytes both ways and knows no meaning. What it costs is
 * what forwarding costs on this machine; everything above it is ours. Usage: `node bench/bare.ts UPSTREAM_URL`.
 */
import { Agent, createServer, request } from 'node:http';

const upstream = new URL(process.argv[2]!);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

const server = createServer({ noDelay: true }, (incoming, outgoing) => {
  const { host: _host, connection: _connection, ...headers } = incoming.headers;
  const onward = request(
    {
      agent,
      host: upstream.hostname,
      port: upstream.port,
      method: incoming.method!,
      path: incoming.url!,
      headers: { ...headers, authorization: 'Bearer upstream-key' },
    },
    (answer) => {
      const {
        connection: _gone,
        'keep-alive': _alive,
        'transfer-encoding': _framing,
        ...answerHeaders
      } = answer.headers;
      outgoing.writeHead(answer.statusCode!, answerHeaders);
      answer.pipe(outgoing);
    },
  );
  onward.on('error', () => outgoing.destroy());
  incoming.pipe(onward);
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  console.log(`bare listening on http://127.0.0.1:${address.port}`);
});
