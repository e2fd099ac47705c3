/** A provider's static headers, checked and lower-cased. Framing, connection and our own headers are not theirs to set. */
import { allowEntry, type HeaderAllowList } from '../domain/outbound-headers.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';

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
