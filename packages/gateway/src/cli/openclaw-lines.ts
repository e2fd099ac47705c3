/**
 * The commands that put an OpenClaw behind Weighbridge, and those that take them back: OpenClaw's own `config set`, because its
 * file is its own to write. Keys stay where they are: ours travels in a header beside them, so that the way back needs no
 * secret. Pure.
 */
import { API_NAMES } from '../config/options.ts';
import { VENDORS } from '../config/vendors.ts';
import type { Api } from '../domain/provider.ts';
import { isObject } from '../lib/json-object.ts';

export interface OpenclawLines {
  there: string[];
  back: string[];
  /** What no command can do, in sentences. */
  remarks: string[];
}

interface Ours {
  /** Of our listener. */
  url: string;
  /** The command that prints the credential. */
  tokenCommand: string;
}

type Fields = Record<string, unknown>;

const KEY_HEADER = 'x-weighbridge-key';
/** By which setting of a model OpenClaw says in its headers whose session a call is. Its Google client has none. */
const SESSION_SETTING: Readonly<Record<Api, string | null>> = {
  'openai-completions': 'sendSessionAffinityHeaders',
  'anthropic-messages': 'sendSessionAffinityHeaders',
  'openai-responses': 'sendSessionIdHeader',
  'google-generate': null,
};

const NO_SESSION: Readonly<Partial<Record<Api, string>>> = {
  'anthropic-messages':
    'OpenClaw 2026.9.6 sends no session to Anthropic, whatever is set; its calls are counted without one.',
  'google-generate': 'OpenClaw sends no session to Google, only its trace; its calls are counted without one.',
};

/** `providers` and `agents` as OpenClaw's file has them. */
export function openclawLines(providers: unknown, agents: unknown, ours: Ours): OpenclawLines {
  const lines: OpenclawLines = { there: [], back: [], remarks: [] };
  const named = isObject(providers) ? providers : {};
  for (const [id, provider] of Object.entries(named)) {
    if (isObject(provider)) addProvider(id, provider, ours, lines);
  }
  for (const id of vendorsOf(agents)) {
    if (id in named) continue;
    addProvider(id, {}, ours, lines);
    lines.remarks.push(
      `${id} stands in no file of OpenClaw's: Weighbridge needs its key in the environment (docs/config.md), and its models say no session.`,
    );
  }
  return lines;
}

function addProvider(
  id: string,
  provider: Fields,
  { url, tokenCommand }: Ours,
  { there, back, remarks }: OpenclawLines,
) {
  const path = `models.providers.${id}`;
  const api = apiOf(id, provider.api);
  if (api === null) {
    remarks.push(`${id} stays as it is: ${JSON.stringify(provider.api)} is not a dialect that Weighbridge reads.`);
    return;
  }
  const { baseUrl, headers } = provider;
  // The version stands in the provider's own base URL, which Weighbridge has taken over. Our credential comes after the new
  // address and goes before the old one: between two commands a call may be refused, but no vendor is told our credential.
  there.push(
    set(`${path}.baseUrl`, `${url}/proxy/${id}`),
    `${set(`${path}.headers.${KEY_HEADER}`)} "$(${tokenCommand})"`,
  );
  back.push(unset(isObject(headers) ? `${path}.headers.${KEY_HEADER}` : `${path}.headers`));
  back.push(typeof baseUrl === 'string' ? set(`${path}.baseUrl`, baseUrl) : unset(`${path}.baseUrl`));
  const models = Array.isArray(provider.models) ? provider.models.filter(isObject) : [];
  for (const [index, model] of models.entries()) {
    const setting = SESSION_SETTING[model.api === undefined ? api : (apiOf(id, model.api) ?? api)];
    if (setting !== null) addSetting(`${path}.models[${index}].compat`, setting, model.compat, { there, back });
  }
  const remark = NO_SESSION[api];
  if (remark !== undefined) remarks.push(`${id}: ${remark}`);
}

function addSetting(
  place: string,
  setting: string,
  compat: unknown,
  { there, back }: Pick<OpenclawLines, 'there' | 'back'>,
): void {
  const given = isObject(compat) ? compat[setting] : undefined;
  if (given === true) return;
  there.push(set(`${place}.${setting}`, 'true'));
  if (given === false) back.push(set(`${place}.${setting}`, 'false'));
  else back.push(unset(isObject(compat) ? `${place}.${setting}` : place));
}

/** Known vendors that agents' models name; OpenClaw knows them without any entry. */
function vendorsOf(agents: unknown): Set<string> {
  const found = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value === 'string') {
      const id = value.slice(0, Math.max(0, value.indexOf('/')));
      if (VENDORS.some((vendor) => vendor.id === id)) found.add(id);
    } else if (Array.isArray(value)) value.forEach(look);
    else if (isObject(value)) [value.primary, value.fallbacks].forEach(look);
  };
  if (!isObject(agents)) return found;
  const entries = isObject(agents.entries) ? Object.values(agents.entries) : [];
  const list = Array.isArray(agents.list) ? agents.list : [];
  for (const agent of [agents.defaults, ...entries, ...list]) if (isObject(agent)) look(agent.model);
  return found;
}

/** What OpenClaw takes where nothing is said. */
function apiOf(id: string, api: unknown): Api | null {
  if (api === undefined) return VENDORS.find((vendor) => vendor.id === id)?.api ?? 'openai-completions';
  return typeof api === 'string' && Object.hasOwn(API_NAMES, api) ? API_NAMES[api as keyof typeof API_NAMES] : null;
}

function set(path: string, value?: string): string {
  return `openclaw config set ${quoted(path)}${value === undefined ? '' : ` ${quoted(value)}`}`;
}

const unset = (path: string): string => `openclaw config unset ${quoted(path)}`;

/** For a POSIX shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
