/** A string that must not reach a log, an event, an error or a page: every printing form of it is `[secret]`. */
import { hash, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

export class Secret {
  readonly #value: string;
  readonly #digest: Buffer;

  constructor(value: string) {
    this.#value = value;
    this.#digest = digestOf(value);
  }

  /** The only way to the value; call it where the value leaves for its destination, nowhere else. */
  reveal(): string {
    return this.#value;
  }

  /** Constant-time comparison, whatever the lengths. */
  equals(candidate: string): boolean {
    return timingSafeEqual(this.#digest, digestOf(candidate));
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

function digestOf(value: string): Buffer {
  return hash('sha256', value, 'buffer');
}
