/**
 * OpenClaw's scopes and ours. What a credential may is in its record; a client may ask for less and never gets more, and
 * nothing it says about itself (its id, its mode) changes that. A key is held to both lists: OpenClaw's scopes as they
 * were granted, and its own. Pure.
 */
import { type Caller, isOperator, type Scope } from '../domain/caller.ts';

export const WIRE_SCOPES = [
  'operator.admin',
  'operator.read',
  'operator.write',
  'operator.approvals',
  'operator.questions',
  'operator.pairing',
  'operator.talk',
  'operator.talk.secrets',
] as const;
export type WireScope = (typeof WIRE_SCOPES)[number];

const OF_KEYS: Readonly<Record<Scope, readonly WireScope[]>> = {
  dispatch: ['operator.write'],
  read: ['operator.read'],
  admin: ['operator.admin'],
  metrics: [],
};

/** All that the credential could be granted. */
export function heldBy(caller: Caller): ReadonlySet<WireScope> {
  if (isOperator(caller)) return new Set(WIRE_SCOPES);
  return new Set([...caller.scopes].flatMap((scope) => OF_KEYS[scope]));
}

/**
 * `asked` null: the client named none. Protocol 3 knew no scopes to ask for, so its clients get all that they hold; a
 * later client that asks for nothing gets nothing.
 */
export function granted(caller: Caller, asked: readonly string[] | null, protocol: number): WireScope[] {
  const held = heldBy(caller);
  if (asked === null) return protocol < 4 ? WIRE_SCOPES.filter((scope) => held.has(scope)) : [];
  const wanted = new Set(asked);
  return WIRE_SCOPES.filter((scope) => wanted.has(scope) && allows(held, scope));
}

/** `operator.admin` holds all of them, `operator.write` holds `operator.read`. */
export function allows(scopes: ReadonlySet<WireScope>, needed: WireScope): boolean {
  if (scopes.has(needed) || scopes.has('operator.admin')) return true;
  return needed === 'operator.read' && scopes.has('operator.write');
}

/** A key needs one of these to hear what is said in sessions. */
export const TEXT_SCOPES = ['dispatch', 'admin'] as const satisfies readonly Scope[];

export function mayHearTexts(caller: Caller): boolean {
  return TEXT_SCOPES.some((scope) => caller.scopes.has(scope));
}
