/** The part of the options table that is about sessions, their turns, and what comes again under an idempotency key. */
import { boolean, bytes, count, DAY_MS, GIB, integer, ms, type Option } from './option.ts';

export const SESSION_OPTIONS = {
  'limits.turnsMax': count(
    1_024,
    1_000_000,
    'Turns of sessions at once, running or waiting for their lane; 503 beyond.',
  ),
  'limits.laneTurnsMax': count(32, 100_000, 'Turns of one session that wait for its lane; 429 `lane_full` beyond.'),
  'limits.turnTimeoutMs': ms(
    600_000,
    DAY_MS,
    'Longest turn of a session with its wait for the lane, where the caller names no time; 0 is off.',
  ),
  'limits.sessionsKnownMax': count(10_000, 1_000_000, 'Sessions in memory; others are read when they are needed.'),
  'limits.idempotencyKeepMs': ms(
    300_000,
    DAY_MS,
    'How long a result is kept for who asks again under its idempotency key. OpenClaw’s figure.',
  ),
  'limits.idempotencyKeysMax': count(10_000, 1_000_000, 'Idempotency keys remembered at once; the oldest go first.'),
  'limits.idempotencyAnswerBytesMax': bytes(
    4_194_304,
    GIB,
    'Longest answer kept under an idempotency key; who asks again for a longer one gets 409.',
  ),
  'limits.idempotencyBytesMax': bytes(67_108_864, GIB, 'All answers kept under idempotency keys; the oldest go first.'),

  'sessions.transcriptDays': integer(
    30,
    [1, 36_500],
    'Days that a session’s messages are kept; the ledger has no text and stays.',
  ),
  'sessions.httpTurns': boolean(
    true,
    'Whether HTTP calls with a session key or `user` are appended to their session’s transcript: the last user message and the answer’s text.',
    true,
  ),
  'sessions.messageBytesMax': bytes(262_144, 16_777_216, 'Longest text kept of one message; the rest is cut.'),
  'sessions.contextMessagesMax': count(200, 10_000, 'Messages of the transcript that a turn sends, the last ones.', 0),
  'sessions.contextBytesMax': bytes(1_048_576, GIB, 'Text of the transcript that a turn sends, the last of it.', 0),
  'sessions.appendsMax': count(
    1_000,
    100_000,
    'HTTP turns that wait to be appended; beyond, the text of a call is dropped and counted, the call is not.',
  ),
} as const satisfies Record<string, Option>;
