/**
 * What somebody asks to change on a session, read and checked, for every door. The names of overrides are OpenClaw's; what
 * they mean is decided where they are used, and what is not in the list is refused. Pure.
 */
import type { Caller } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { type HeaderRules, readHeaderPatch } from '../domain/outbound-headers.ts';
import { isObject } from '../lib/json-object.ts';
import type { SessionPatch } from './session.ts';

const OVERRIDES: ReadonlySet<string> = new Set(
  `model thinkingLevel fastMode verboseLevel traceLevel reasoningLevel responseUsage elevatedLevel contextWindow sendPolicy
   groupActivation permissionMode boardFace displayName icon color category statusNote attention archived pinned unread`.split(
    /\s+/,
  ),
);
const LABEL_CHARS_MAX = 512;
const VALUE_CHARS_MAX = 512;
const FIELDS: ReadonlySet<string> = new Set(['label', 'overrides', 'outboundHeaders']);

export interface ChangeKnowledge {
  rules: HeaderRules;
  /** Null: no such model. */
  findModel(ref: string): unknown;
}

/** Throws GatewayError that names what cannot be. */
export function readSessionChanges(asked: unknown, caller: Caller, known: ChangeKnowledge): SessionPatch {
  if (!isObject(asked)) throw refused('must be a JSON object', 'body');
  const unknown = Object.keys(asked).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw refused(`knows ${[...FIELDS].join(', ')} only, not \`${shown(unknown)}\``, 'body');
  const { label, overrides, outboundHeaders } = asked;
  return {
    ...(label === undefined ? {} : { label: readLabel(label) }),
    ...(overrides === undefined ? {} : { overrides: readOverrides(overrides, known) }),
    ...(outboundHeaders === undefined
      ? {}
      : { outboundHeaders: readHeaderPatch(outboundHeaders, known.rules, caller) }),
  };
}

export function readLabel(label: unknown): string | null {
  if (label === null) return null;
  const trimmed = typeof label === 'string' ? label.trim() : '';
  if (trimmed !== '' && trimmed.length <= LABEL_CHARS_MAX && isStorable(trimmed)) return trimmed;
  throw refused(`must be a text of at most ${LABEL_CHARS_MAX} characters, or null`, 'label');
}

export function readOverrides(overrides: unknown, { findModel }: Pick<ChangeKnowledge, 'findModel'>) {
  if (!isObject(overrides)) throw refused('must be an object of names and values', 'overrides');
  const read: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(overrides)) {
    if (!OVERRIDES.has(name)) throw refused(`has no \`${shown(name)}\``, 'overrides');
    if (!isValue(value)) throw refused(`takes no such value for \`${name}\``, 'overrides');
    if (name === 'model' && value !== null && (typeof value !== 'string' || findModel(value) === null)) {
      throw refused('names a model that is not there; GET /v1/models lists what there is', 'overrides');
    }
    read[name] = value;
  }
  return read;
}

function isValue(value: unknown): value is string | number | boolean | null {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'string' && value.length <= VALUE_CHARS_MAX && isStorable(value);
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function shown(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}

function refused(what: string, param: string): GatewayError {
  return new GatewayError('invalid_request', `\`${param}\` ${what}.`, { param });
}
