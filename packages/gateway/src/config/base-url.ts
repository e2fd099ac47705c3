/** The address of a provider, checked: http or https, nothing hidden in it, no final slash. Pure. */
import type { Findings } from './findings.ts';
import { report } from './findings.ts';

/** The address as it is used; null when it is refused. The message never shows it: it may hold a password. */
export function checkBaseUrl(text: string, path: string, findings: Findings): string | null {
  const refuse = (message: string, hint: string | null = null): null => {
    report(findings, path, message, hint);
    return null;
  };
  const url = URL.parse(text.trim());
  if (url === null) return refuse('is not a URL.', 'Write it like https://api.example.com/v1.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must begin with http:// or https://.');
  if (url.username !== '' || url.password !== '') {
    return refuse('holds a user or password.', 'Put the credential into `apiKey`; addresses end up in logs.');
  }
  // Paths are appended to it; behind a question mark they would be lost.
  if (url.search !== '' || url.hash !== '') return refuse('must not have a query or a fragment.');
  return url.href.replace(/\/+$/, '');
}
