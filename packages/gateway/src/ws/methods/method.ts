/**
 * What a method is: its name, who may call it, what it takes, what it does. The list of them (list.ts) is all there is:
 * what it does not name does not exist, and a method that names no scope does not compile.
 */
import type { Caller, Scope } from '../../domain/caller.ts';
import type { CheckOptions } from '../schemas.ts';
import type { WireScope } from '../scopes.ts';

export interface MethodSpec<Params> {
  name: string;
  /** OpenClaw's scope; null: whoever is connected. */
  scope: WireScope | null;
  /** What a key must be allowed to besides, any of these; empty: nothing. */
  keyScopes: readonly Scope[];
  /** Not for keys, whatever their scopes: it concerns every tenant, or the machine. */
  operatorOnly?: true;
  /** The published schema of its params; null: it takes none, and what comes is not looked at. */
  schema: string | null;
  /** Fields besides, ours and those of newer clients. */
  extra?: CheckOptions['extra'];
  /** What is asked before the schema is, where OpenClaw has words of its own for it. Throws WireFailure. */
  prepare?(params: unknown): void;
  /** Throws GatewayError or WireFailure. */
  run(params: Params, request: MethodRequest): unknown;
}

/** A method as the list has it, whatever its params are: they were checked against its schema. */
export type Method = MethodSpec<never>;

export interface MethodRequest {
  caller: Caller;
  peer: Peer;
  traceparent: string | null;
  /** Sends an answer before the last one; `agent` says first that it has begun. */
  interim(payload: unknown): void;
}

/** The connection as methods know it. */
export interface Peer {
  readonly connId: string;
  readonly clientId: string;
  readonly grantedScopes: ReadonlySet<WireScope>;
  /** Wants `sessions.changed`. */
  followsSessions: boolean;
  /** Wants every dispatch as it is settled. */
  followsUsage: boolean;
  /** Keys of sessions whose messages it wants. */
  readonly followedKeys: Set<string>;
  /** The socket is gone. */
  readonly isGone: boolean;
}

export function method<Params>(spec: MethodSpec<Params>): Method {
  return spec as unknown as Method;
}
