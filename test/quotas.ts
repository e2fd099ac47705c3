/**
 * How much each test tries, in both tiers, in one place: `npm test` (short) and `npm run test:long` (long). The figures
 * of a promise are read here, and nowhere is a figure lowered to make a test pass.
 */

const SHORT = {
  /** SIGKILLs of the gateway under load. */
  kills: 30,
  /** SIGKILLs of a gateway with a plugin that must miss nothing. */
  pluginKills: 3,
  /** SIGKILLs of a gateway in the middle of turns. */
  sessionKills: 3,
  /** On PostgreSQL with two gateways: SIGKILLs of either and restarts of the server, in turn. */
  sharedKills: 9,
  /** SIGKILLs of each negative control; the comparison must have found violations by then. */
  controlKills: 4,
  /** Callers that keep the load up. */
  crashCallers: 12,
  /** Simulated power losses; none in the short tier, because they need a loop device and minutes. */
  powerLossTrials: 0,
  powerLossControlTrials: 0,
  /** Hang-ups at each point, for each drain policy. */
  hangupsEach: 5,
  /** Rounds of every class of attack (test/attack/classes.ts), after one to warm up. */
  attackRounds: 2,
  /** Times every golden answer goes through the pass-through. */
  passRounds: 2,
  /** Bytes of one answer and of one upload through the pass-through. */
  passBytes: 32 * 1024 * 1024,
  /** Streams in arbitrary spellings, through the meter alone and over sockets. */
  meterStreams: 1_000,
  socketStreams: 80,
  /** Dispatches among a thousand sessions whose headers change meanwhile, and in each negative control. */
  isolatedDispatches: 10_000,
  isolatedSharedDispatches: 500,
  isolationControlDispatches: 400,
  /** Lists of up to 14 priced calls, on each engine. */
  moneyRuns: { sqlite: 25, postgres: 5 },
  /** Dispatches of the random run that every consumer must agree on. */
  agreedDispatches: 500,
  /** Events that wait for a webhook's receiver that is away. */
  webhookBacklog: { sqlite: 5_000, postgres: 1_000 },
  /** SIGKILLs of a gateway while it delivers. */
  webhookKills: 2,
};

const LONG: typeof SHORT = {
  kills: 500,
  pluginKills: 60,
  sessionKills: 60,
  sharedKills: 200,
  controlKills: 10,
  crashCallers: 12,
  powerLossTrials: 40,
  powerLossControlTrials: 6,
  hangupsEach: 100,
  attackRounds: 100,
  passRounds: 100,
  passBytes: 1024 * 1024 * 1024,
  meterStreams: 50_000,
  socketStreams: 3_000,
  isolatedDispatches: 1_000_000,
  isolatedSharedDispatches: 50_000,
  isolationControlDispatches: 2_000,
  moneyRuns: { sqlite: 1_000, postgres: 200 },
  agreedDispatches: 10_000,
  webhookBacklog: { sqlite: 100_000, postgres: 100_000 },
  webhookKills: 30,
};

export const isLongTier = process.env.WEIGHBRIDGE_TEST_TIER === 'long';
export const quotas = isLongTier ? LONG : SHORT;

/** Seed of the test's random choices: printed, so that a failure can be run again with `WEIGHBRIDGE_TEST_SEED`. */
export const seed = Number(process.env.WEIGHBRIDGE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
