/**
 * Headers that the gateway writes for each dispatch from what it knows of it: `models.providers.*.contextHeaders`, and the
 * ones that LiteLLM reads. A value is made so that two different facts never look alike: what cannot travel in a header
 * is percent-encoded, and so is the percent sign. A header with a fact that is missing is left out whole. Pure.
 */

/** What a template may name in braces. */
export const CONTEXT_FACTS = [
  'agentId',
  'sessionKey',
  'sessionId',
  'runId',
  'dispatchId',
  'attempt',
  'tenantId',
  'endUserId',
  'keyId',
  'channel',
  'runKind',
  'tags',
  'metadata',
] as const;
export type ContextFact = (typeof CONTEXT_FACTS)[number];

/** Null: not known. `tags` and `metadata` are already as they travel. */
export type ContextFacts = Readonly<Record<ContextFact, string | null>>;

export interface ContextHeader {
  /** Lower-cased. */
  name: string;
  /** Text as it stands, and facts. None: the header is not sent. */
  template: readonly (string | { fact: ContextFact })[];
}

/** A longer value would be cut by somebody, and a cut name is another name. */
const VALUE_BYTES_MAX = 4096;
const PLACEHOLDER = /\{([A-Za-z]+)\}/g;
/** Quotes and backslashes too, so that a template may be JSON. */
const UNSAFE = /[^\x20-\x7e]|[%"\\]/u;

/** What LiteLLM reads of a request; docs/headers.md has them as a table. */
export const LITELLM_HEADERS: readonly ContextHeader[] = (
  [
    ['x-litellm-call-id', 'dispatchId'],
    ['x-litellm-session-id', 'sessionKey'],
    ['x-litellm-end-user-id', 'endUserId'],
    ['x-litellm-tags', 'tags'],
    ['x-litellm-spend-logs-metadata', 'metadata'],
  ] as const
).map(([name, fact]) => ({ name, template: [{ fact }] }));

/** A template as the operator wrote it, or the word in braces that is no fact. */
export function readTemplate(text: string): ContextHeader['template'] | { unknown: string } {
  const parts: (string | { fact: ContextFact })[] = [];
  let at = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    const fact = CONTEXT_FACTS.find((known) => known === match[1]);
    if (fact === undefined) return { unknown: match[1]! };
    if (match.index > at) parts.push(text.slice(at, match.index));
    parts.push({ fact });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** Names and values for one dispatch. */
export function contextHeaders(headers: readonly ContextHeader[], facts: ContextFacts): Record<string, string> {
  const made: Record<string, string> = Object.create(null);
  for (const { name, template } of headers) {
    const value = filled(template, facts)?.trim();
    if (value && value.length <= VALUE_BYTES_MAX) made[name] = value;
  }
  return made;
}

/** Everything that says whose a dispatch is, as one JSON object in ASCII; the caller's own metadata where there is room. */
export function metadataText(
  ids: Readonly<Record<string, string | number | null>>,
  own: Readonly<Record<string, unknown>>,
): string {
  const known = Object.fromEntries(Object.entries(ids).filter(([, value]) => value !== null));
  const whole = asciiJson({ ...own, ...known });
  return whole.length <= VALUE_BYTES_MAX ? whole : asciiJson(known);
}

/** Tags as a list with commas; they hold none themselves. */
export function tagsText(tags: readonly string[]): string | null {
  return tags.length === 0 ? null : tags.map(safe).join(',');
}

function filled(template: ContextHeader['template'], facts: ContextFacts): string | null {
  let text = '';
  for (const part of template) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = facts[part.fact];
    if (value === null || value === '') return null;
    text += part.fact === 'tags' || part.fact === 'metadata' ? value : safe(value);
  }
  return text;
}

/** Only blanks at an end are encoded: there they would be taken off. */
function safe(value: string): string {
  if (!UNSAFE.test(value) && value.trim() === value) return value;
  return value.replace(/[^\x20-\x7e]+|[%"\\]|^ +| +$/gu, (part) => encodeURIComponent(part.toWellFormed()));
}

function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
