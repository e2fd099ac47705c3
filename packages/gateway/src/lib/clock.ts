/** Time, injected: the wall clock stamps facts, the monotonic clock measures durations and deadlines. */

export interface Clock {
  /** Milliseconds since the Unix epoch, fractional part dropped. */
  now(): number;
  /** Milliseconds since some fixed point; never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
