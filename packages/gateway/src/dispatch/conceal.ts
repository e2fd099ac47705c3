/**
 * Takes our credential out of what a provider says when it refuses: some repeat the key they did not like, and the caller
 * must not learn it. Pure. Only errors are searched; a good answer passes as it is, byte for byte.
 */
import type { Provider } from '../domain/provider.ts';

const CONCEALED = '[secret]';
/** Shorter ones are no secrets (local servers take any word), and would be found in every other sentence. */
const SECRET_LENGTH_MIN = 8;
const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'x-goog-api-key',
  'api-key',
  'cookie',
]);

/** What we send to this provider that nobody else may read, in the spellings an answer may have. */
export function secretsSentTo({ credential, headers }: Provider): string[] {
  const sent = credential === null ? [] : [credential.reveal()];
  for (const [name, value] of Object.entries(headers)) {
    // Without its scheme: `Bearer` is no secret.
    if (CREDENTIAL_HEADERS.has(name.toLowerCase())) sent.push(value.slice(value.indexOf(' ') + 1));
  }
  return [...new Set(sent.filter((secret) => secret.length >= SECRET_LENGTH_MIN).flatMap(spellings))];
}

/** The very same bytes where none of the secrets is among them. */
export function concealedBytes(bytes: Buffer, secrets: readonly string[]): Buffer {
  const found = secrets.filter((secret) => bytes.includes(secret));
  if (found.length === 0) return bytes;
  // Latin-1 keeps every byte, whatever the text's encoding.
  let text = bytes.toString('latin1');
  for (const secret of found) text = text.replaceAll(Buffer.from(secret).toString('latin1'), CONCEALED);
  return Buffer.from(text, 'latin1');
}

export function concealedHeaders(
  headers: Readonly<Record<string, string | string[]>>,
  secrets: readonly string[],
): Record<string, string | string[]> {
  const conceal = (value: string): string =>
    secrets.reduce((text, secret) => text.replaceAll(secret, CONCEALED), value);
  const concealed = (value: string | string[]) => (typeof value === 'string' ? conceal(value) : value.map(conceal));
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, concealed(value)]));
}

/** As it is, as JSON with and without escaped slashes, and as part of a URL. */
function spellings(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  return [secret, json, json.replaceAll('/', '\\/'), encodeURIComponent(secret.toWellFormed())];
}
