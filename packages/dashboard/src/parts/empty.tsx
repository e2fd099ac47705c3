/** The first open: nothing was metered yet. How to change that, with this gateway's own address, and a light that turns green. */
import { useRef } from 'preact/hooks';
import { facts } from '../facts.ts';
import { CopyButton } from './copy-button.tsx';

const SNIPPETS: readonly (readonly [string, (origin: string) => string])[] = [
  [
    'curl',
    (origin) => `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $(npm run -s cli -- token)" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"${facts.model ?? 'openai/gpt-5'}","messages":[{"role":"user","content":"Hello"}]}'`,
  ],
  [
    'An SDK',
    (origin) => `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.WEIGHBRIDGE_TOKEN });
await client.chat.completions.create({
  model: '${facts.model ?? 'openai/gpt-5'}',
  messages: [{ role: 'user', content: 'Hello' }],
});`,
  ],
  [
    'OpenClaw',
    (origin) => `npm run -s cli -- init --from ~/.openclaw/openclaw.json
# It prints the commands that set OpenClaw's base URLs to
#   ${origin}/proxy/<provider>
# and those that take them back.`,
  ],
];

export function Empty() {
  return (
    <section class="empty" aria-label="Nothing is metered yet">
      <h1>Nothing is metered yet</h1>
      <p class="light">
        <span class="dot" aria-hidden="true" /> Waiting for the first call. This page fills by itself.
      </p>
      <div class="snippets">
        {SNIPPETS.map(([name, text]) => (
          <Snippet key={name} name={name} text={text(location.origin)} />
        ))}
      </div>
    </section>
  );
}

function Snippet({ name, text }: { name: string; text: string }) {
  const shown = useRef<HTMLPreElement>(null);
  return (
    <article class="card">
      <h2>
        {name}
        <CopyButton text={text} what={name} shown={shown} />
      </h2>
      <pre ref={shown} tabIndex={0}>
        {text}
      </pre>
    </article>
  );
}
