/**
 * Limits failed authentication for each source. The map is bounded, sources are folded to what one attacker can vary
 * for free (IPv4-mapped addresses, an IPv6 /64), and loopback is a source like any other. It is asked only about
 * failures: whoever presents a correct credential is never locked out by others at the same address.
 */
import type { Clock } from '../lib/clock.ts';

export interface LimiterOptions {
  /** Failures inside the window before the source is locked. */
  maxAttempts: number;
  windowMs: number;
  lockoutMs: number;
  /** Sources remembered at once; the one that failed longest ago is forgotten first. */
  sourcesMax: number;
}

interface Failures {
  count: number;
  windowStart: number;
  lockedUntil: number;
}

export class FailureLimiter {
  readonly #options: LimiterOptions;
  readonly #clock: Clock;
  readonly #sources = new Map<string, Failures>();

  constructor(options: LimiterOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Counts a failure. Returns the milliseconds for which the source is locked, 0 while it may still try. */
  fail(address: string): number {
    const now = this.#clock.monotonic();
    const source = sourceOf(address);
    const known = this.#sources.get(source);
    if (known && known.lockedUntil > now) return known.lockedUntil - now;
    const failures = this.#fresh(known, now);
    failures.count += 1;
    if (failures.count > this.#options.maxAttempts) failures.lockedUntil = now + this.#options.lockoutMs;
    this.#remember(source, failures);
    return Math.max(0, failures.lockedUntil - now);
  }

  get size(): number {
    return this.#sources.size;
  }

  #fresh(known: Failures | undefined, now: number): Failures {
    const expired = !known || known.lockedUntil > 0 || now - known.windowStart >= this.#options.windowMs;
    return expired ? { count: 0, windowStart: now, lockedUntil: 0 } : known;
  }

  #remember(source: string, failures: Failures): void {
    this.#sources.delete(source);
    if (this.#sources.size >= this.#options.sourcesMax) {
      const oldest = this.#sources.keys().next();
      if (!oldest.done) this.#sources.delete(oldest.value);
    }
    this.#sources.set(source, failures);
  }
}

/** What counts as one source: an IPv4 address, mapped or not, or an IPv6 network of 64 bits. */
export function sourceOf(address: string): string {
  const plain = address.toLowerCase().split('%')[0]!;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped) return mapped[1]!;
  if (!plain.includes(':')) return plain;
  const [head, tail] = plain.split('::') as [string, string | undefined];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
