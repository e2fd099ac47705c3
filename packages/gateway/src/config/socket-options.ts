/** The part of the options table that is about WebSockets: how many, how large, how slow, how often. */
import { bytes, count, GIB, HOUR_MS, ms, type Option } from './option.ts';

export const SOCKET_OPTIONS = {
  'limits.socketsMax': count(16_384, 1_000_000, 'WebSockets at once; 503 beyond.', 0),
  'limits.handshakesMax': count(
    256,
    100_000,
    'WebSockets at once that have not yet shown a credential; beyond, 503, or the address with most gives one up.',
  ),
  'limits.handshakeTimeoutMs': ms(15_000, HOUR_MS, 'How long a WebSocket may take to connect; it is closed beyond.', 1),
  'limits.handshakeBytesMax': bytes(65_536, GIB, 'Longest frame before a WebSocket has connected; 1009 beyond.'),
  'limits.frameBytesMax': bytes(
    26_214_400,
    GIB,
    'Longest frame of a connected WebSocket; 1009 beyond. OpenClaw’s figure.',
  ),
  'limits.socketUnsentBytesMax': bytes(
    4_194_304,
    GIB,
    'Bytes that may wait for a WebSocket’s reader when another event comes; it is closed beyond, and its runs go on.',
  ),
  'limits.socketUnsentMaxMs': ms(
    10_000,
    HOUR_MS,
    'How long anything may wait for a WebSocket’s reader; closed beyond.',
    1,
  ),
  'limits.socketRequestsMax': count(64, 100_000, 'Requests of one WebSocket at once; `UNAVAILABLE` beyond.'),
  'limits.socketRequestsPerSecondMax': count(
    200,
    1_000_000,
    'Requests of one WebSocket in a second; beyond, it is read no faster.',
  ),
  'limits.tickIntervalMs': ms(
    30_000,
    HOUR_MS,
    'How often WebSockets get a `tick` and a ping; two unanswered end one.',
    10,
  ),
  'limits.deltaIntervalMs': ms(100, 60_000, 'Text of a turn is sent to WebSockets no more often than this.'),
  'limits.logLinesMax': count(1_000, 100_000, 'Last lines of the log that are kept in memory for `logs.tail`.', 0),
} as const satisfies Record<string, Option>;
