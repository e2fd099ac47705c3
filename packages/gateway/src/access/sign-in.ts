/**
 * Signing in to the page: a credential is exchanged for a cookie that says who signed in, sealed so that nobody can write
 * one. Nothing is stored: a cookie outlives a restart, and ends with its key, with the token or password it was sealed
 * under, or when its time is up. What signed in this way asks and operates; it never calls a model.
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import type { Caller, Scope } from '../domain/caller.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { Keys } from './keys.ts';

/** How long a browser stays signed in. */
export const SIGN_IN_MS = 7 * 24 * 60 * 60 * 1000;
/** How long a one-time link may be used. */
export const LINK_MS = 2 * 60 * 1000;
/** Links that wait to be used; the oldest goes first. */
const LINKS_MAX = 100;

const COOKIE = /^weighbridge-(\d{1,5}|web)$/;
/** Slow on purpose: whoever holds a cookie could otherwise guess a short password from it. */
const SEALING = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const SEAL_BYTES = 32;

/** A page spends nobody's money, whatever the credential behind it may. */
const NOT_BY_COOKIE: ReadonlySet<Scope> = new Set(['dispatch']);

interface Ticket {
  /** Null: the operator. */
  k: string | null;
  /** Milliseconds since the epoch. */
  e: number;
}

export interface SignInDeps {
  operator: Caller;
  /** What cookies are sealed under: another token or password ends them all. Null: nobody needs to sign in. */
  secret: Secret | null;
  keys: Pick<Keys, 'callerOfId'>;
  clock: Clock;
}

export class SignIns {
  readonly #deps: SignInDeps;
  readonly #links = new Map<string, { ticket: Ticket; until: number }>();
  #seal: Promise<Buffer> | null = null;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
  }

  /** Whether there is anything to sign in to: without authentication everybody is in. */
  get needed(): boolean {
    return this.#deps.secret !== null;
  }

  /** The cookie's value for a caller who proved who they are. */
  async cookieFor({ keyId }: Pick<Caller, 'keyId'>): Promise<string> {
    const ticket: Ticket = { k: keyId, e: this.#deps.clock.now() + SIGN_IN_MS };
    const text = Buffer.from(JSON.stringify(ticket)).toString('base64url');
    return `${text}.${(await this.#sealOf(text)).toString('base64url')}`;
  }

  /** Who a cookie's value says is there; null: nobody, or nobody any more. */
  async callerOf(value: string): Promise<Caller | null> {
    const [text = '', seal = '', ...more] = value.split('.');
    const given = Buffer.from(seal, 'base64url');
    if (this.#deps.secret === null || more.length > 0 || given.length !== SEAL_BYTES) return null;
    if (!timingSafeEqual(given, await this.#sealOf(text))) return null;
    return this.#callerOfTicket(JSON.parse(Buffer.from(text, 'base64url').toString()) as Ticket);
  }

  /** A code that signs in once, as this caller, for two minutes, at this gateway. */
  linkFor({ keyId }: Pick<Caller, 'keyId'>): { code: string; expiresAt: number } {
    const now = this.#deps.clock.now();
    for (const [code, { until }] of this.#links) if (until <= now) this.#links.delete(code);
    if (this.#links.size >= LINKS_MAX) this.#links.delete(this.#links.keys().next().value!);
    const code = randomBytes(SEAL_BYTES).toString('base64url');
    const expiresAt = now + LINK_MS;
    this.#links.set(code, { ticket: { k: keyId, e: expiresAt }, until: expiresAt });
    return { code, expiresAt };
  }

  /** Whoever brings the code first; the code is then spent. */
  async callerOfLink(code: string): Promise<Caller | null> {
    const link = this.#links.get(code);
    this.#links.delete(code);
    return link === undefined ? null : this.#callerOfTicket(link.ticket);
  }

  async #callerOfTicket({ k, e }: Ticket): Promise<Caller | null> {
    if (e <= this.#deps.clock.now()) return null;
    const caller = k === null ? this.#deps.operator : await this.#deps.keys.callerOfId(k);
    if (caller === null) return null;
    return { ...caller, scopes: new Set([...caller.scopes].filter((scope) => !NOT_BY_COOKIE.has(scope))) };
  }

  async #sealOf(text: string): Promise<Buffer> {
    this.#seal ??= derived(this.#deps.secret!.reveal());
    return createHmac('sha256', await this.#seal)
      .update(text)
      .digest();
  }
}

const derive = promisify<string, string, number, typeof SEALING, Buffer>(scrypt);

function derived(secret: string): Promise<Buffer> {
  return derive(secret, 'weighbridge sign-in', SEAL_BYTES, SEALING);
}

/** Cookies do not know ports: each gateway of a machine has its own name. */
export function cookieName(host: string | undefined): string {
  return `weighbridge-${/:(\d{1,5})$/.exec(host ?? '')?.[1] ?? 'web'}`;
}

/** The value of our cookie; null: none was sent. */
export function signInCookie({ cookie, host }: Pick<IncomingHttpHeaders, 'cookie' | 'host'>): string | null {
  if (cookie === undefined) return null;
  const wanted = cookieName(host);
  for (const pair of cookie.split(';')) {
    const [name = '', ...value] = pair.trim().split('=');
    if (name === wanted && COOKIE.test(name)) return value.join('=');
  }
  return null;
}
