/**
 * What a key looks like: `wb_`, the 26 characters of its id, `_`, and 256 random bits. The id finds the key, the whole
 * text is hashed and compared: a character more or less, or in another case, is another key. Pure but for the randomness.
 */
import { hash, randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;
const SHOWN_CHARS = 12;
const FORM = /^wb_([0-9A-HJKMNP-TV-Z]{26})_[A-Za-z0-9_-]{43}$/;

/** A new key's text. It is shown once and kept nowhere. */
export function newKeyText(keyId: string): string {
  return `wb_${keyId.slice('key_'.length)}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** The id that a text names, null where it cannot be a key. */
export function keyIdIn(text: string): string | null {
  const match = FORM.exec(text);
  return match === null ? null : `key_${match[1]}`;
}

/** Of the text and not of the bytes it spells: base64url spells some bytes in several ways, and each would get in. */
export function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/** Enough for people to tell their keys apart, none of the secret. */
export function shownOf(keyId: string): string {
  return `wb_…${keyId.slice(-SHOWN_CHARS)}`;
}
