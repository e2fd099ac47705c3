/**
 * The text of a new config file: commented, with every option of our own sections and its default from the table. What an
 * OpenClaw file says of models and agents is taken over as it is written there, references to variables included.
 */
import { OPTIONS, type Option, OWN_SECTIONS } from './options.ts';

/** What is taken over, as JSON5 text of single sections; null where there is nothing. */
export interface TakenOver {
  models: string | null;
  agents: string | null;
}

const MODELS_EXAMPLE = `// Providers of your own, and prices in USD per 1M tokens. Known vendors need no entry: their key in the
  // environment is enough.
  // models: {
  //   providers: {
  //     openai: {
  //       models: [{ id: "gpt-5-mini", cost: { input: 0.25, output: 2, cacheRead: 0.025 } }],
  //     },
  //     local: { baseUrl: "http://127.0.0.1:8000/v1", apiKey: "\${LOCAL_KEY}" },
  //   },
  // },`;

const AGENTS_EXAMPLE = `// Agents are called as "openclaw/<id>". With only a default model there is the agent "main".
  // agents: {
  //   defaults: { model: { primary: "openai/gpt-5-mini", fallbacks: [] } },
  // },`;

const WEBHOOKS_EXAMPLE = `// Who is told of each call: docs/webhooks.md.
  // webhooks: [{ url: "https://billing.example.com/usage", secret: "\${WEBHOOK_SECRET}" }],`;

/** Our sections that are settings with defaults. */
const SETTINGS = [...OWN_SECTIONS].filter((section) => section !== 'webhooks');

export function configTemplate({ models, agents }: TakenOver): string {
  return `// Weighbridge's configuration. Every option and its reason: docs/config.md. What is commented out is the default.
{
  gateway: {
    // port: ${OPTIONS['gateway.port'].default},
    // bind: "${OPTIONS['gateway.bind'].default}", // "lan" listens on all addresses
    // In a file these two are off unless asked for.
    http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
  },

  ${models === null ? MODELS_EXAMPLE : `models: ${indented(models)},`}

  ${agents === null ? AGENTS_EXAMPLE : `agents: ${indented(agents)},`}

  ${WEBHOOKS_EXAMPLE}

${SETTINGS.map(sectionComment).join('\n\n')}
}
`;
}

function sectionComment(section: string): string {
  return groupLines(section)
    .map((line) => `  // ${line}`)
    .join('\n');
}

/** A section with its options, each below its reason; what is nested in the table is nested here. */
function groupLines(prefix: string): string[] {
  const depth = prefix.split('.').length;
  const nested = new Set<string>();
  const lines: string[] = [];
  for (const [path, option] of Object.entries<Option>(OPTIONS)) {
    if (!path.startsWith(`${prefix}.`)) continue;
    const keys = path.split('.');
    const group = keys.slice(0, depth + 1).join('.');
    if (keys.length === depth + 1) {
      lines.push(`  // ${option.reason}`, `  ${keys[depth]}: ${JSON.stringify(option.default)},`);
    } else if (!nested.has(group)) {
      nested.add(group);
      lines.push(...groupLines(group).map((line) => `  ${line}`));
    }
  }
  return [`${prefix.split('.').at(-1)}: {`, ...lines, '},'];
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n  ');
}
