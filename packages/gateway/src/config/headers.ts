/** A provider's static headers, checked and lower-cased. Framing, connection and our own headers are not theirs to set. */
import { CONTEXT_FACTS, type ContextHeader, readTemplate } from '../domain/context-headers.ts';
import { allowEntry, type HeaderAllowList } from '../domain/outbound-headers.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import { nearest } from './nearest.ts';

const OURS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What the gateway says itself, and no template may: credentials, the body's form, the trace, the dispatch's id. */
const SAID_BY_US: ReadonlySet<string> = new Set([
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'api-key',
  'cookie',
  'content-type',
  'accept-encoding',
  'traceparent',
  'tracestate',
  'x-client-request-id',
]);

/** Templates, checked; an empty one takes the preset of that name away. */
export function checkContextHeaders(
  given: Readonly<Record<string, string>>,
  presets: readonly ContextHeader[],
  path: string,
  findings: Findings,
): readonly ContextHeader[] {
  const wanted = new Map(presets.map((preset) => [preset.name, preset]));
  for (const [name, text] of Object.entries(checkHeaders(given, path, findings))) {
    const template = readTemplate(text);
    if (SAID_BY_US.has(name)) report(findings, `${path}.${name}`, 'is set by the gateway itself.');
    else if ('unknown' in template) report(findings, `${path}.${name}`, ...unknownFact(template.unknown));
    else if (/[^\x20-\x7e]/.test(text)) report(findings, `${path}.${name}`, 'must be visible ASCII.');
    else wanted.set(name, { name, template });
  }
  return [...wanted.values()].filter(({ template }) => template.length > 0);
}

function unknownFact(word: string): [string, string] {
  const meant = nearest(word, CONTEXT_FACTS);
  const known = CONTEXT_FACTS.map((fact) => `{${fact}}`).join(' ');
  return [`names {${word}}, which is nothing that is known.`, meant ? `Did you mean {${meant}}?` : `Known: ${known}.`];
}

/** An operator's list of what callers may have sent, without the entries that are problems. */
export function checkAllowList(given: readonly string[], path: string, findings: Findings): HeaderAllowList {
  return given.flatMap((text, index) => {
    const checked = allowEntry(text);
    if ('entry' in checked) return [checked.entry];
    report(findings, `${path}[${index}]`, checked.problem);
    return [];
  });
}

/** The headers that may be sent; the others are problems that show the name, never the value. */
export function checkHeaders(
  headers: Readonly<Record<string, string>>,
  path: string,
  findings: Findings,
): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    const place = `${path}.${given}`;
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) report(findings, place, 'is not a header name.');
    else if (OURS.has(name) || name.startsWith('x-weighbridge-'))
      report(findings, place, 'is set by the gateway itself.');
    else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      report(findings, place, 'has a character that no header can carry.');
    else entries.push([name, value.trim()]);
  }
  return Object.fromEntries(entries);
}
