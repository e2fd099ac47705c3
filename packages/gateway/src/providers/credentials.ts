/** Which header carries a provider's credential, by dialect. The caller's own never goes out. */
import type { Api } from '../domain/provider.ts';
import type { Secret } from '../lib/secret.ts';

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
