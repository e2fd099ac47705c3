/** Which headers a provider's dialect needs: its credential, by dialect, and its version. The caller's own credential never goes out. */
import type { Api } from '../domain/provider.ts';
import type { Secret } from '../lib/secret.ts';

/** What a dialect cannot be spoken without; configured headers and the caller's own win. */
export const VERSION_HEADERS: Readonly<Partial<Record<Api, readonly (readonly [name: string, value: string])[]>>> = {
  'anthropic-messages': [['anthropic-version', '2023-06-01']],
};

/** Tokens of a login, not keys, travel as Anthropic's clients send them. */
const ANTHROPIC_LOGIN = 'sk-ant-oat';

export function credentialHeader(api: Api, credential: Secret): readonly [name: string, value: string] {
  const text = credential.reveal();
  switch (api) {
    case 'anthropic-messages':
      return text.startsWith(ANTHROPIC_LOGIN) ? ['authorization', `Bearer ${text}`] : ['x-api-key', text];
    case 'google-generate':
      return ['x-goog-api-key', text];
    default:
      return ['authorization', `Bearer ${text}`];
  }
}
