/**
 * Writes docs/config.md from the tables, so that what people read is what the program does:
 * `node packages/gateway/src/config/document.ts > docs/config.md`. A test compares the file with this.
 */
import { REFUSED_NAMES } from './agents.ts';
import { FOREIGN_APIS, OPTIONS, type Option } from './options.ts';
import { VENDORS } from './vendors.ts';

interface Section {
  title: string;
  prefixes: readonly string[];
  text: string;
}

const HEAD = `# Configuration

<!-- Generated from packages/gateway/src/config by \`node packages/gateway/src/config/document.ts > docs/config.md\`. Do not edit. -->

Weighbridge needs no file: a vendor's key in the environment (below) makes its models callable as \`openai/…\`. Without any key
it answers from a built-in demo. A file is for prices, agents, limits and providers of your own. \`weighbridge init\` writes a
commented one, \`weighbridge init --from openclaw.json\` starts from an OpenClaw's, \`weighbridge doctor\` says what is in force.

**Order.** A flag wins over an environment variable, that over the file, that over the default.

**Which file.** \`--config FILE\`, else \`WEIGHBRIDGE_CONFIG\`, else \`weighbridge.json5\` in the state directory, else the built-in
configuration. The state directory is \`--state-dir\`, else \`WEIGHBRIDGE_STATE_DIR\`, else \`~/.weighbridge\`; it holds the ledger
(\`weighbridge.sqlite\`), the token (\`token\`) and, while a gateway runs, its address (\`gateway.json\`).

**Its shape** is OpenClaw's for what both know (\`gateway\`, \`models\`, \`agents\`, \`plugins\`), so an \`openclaw.json\` can be read as it is
with \`--config\`. It is JSON5. \`"\${NAME}"\` in a text is replaced by that environment variable, which must be set; \`"$\${NAME}"\`
stays as \`"\${NAME}"\`. The file is never written by the gateway.

**What is not understood.** In our own sections (\`events\`, \`ledger\`, \`sessions\`, \`metering\`, \`limits\`, \`upstream\`, \`webhooks\`) an unknown key is an error. OpenClaw's
keys that Weighbridge does not use are listed in one warning. All errors are shown at once and nothing is started.

\`\`\`json5
{
  gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
  models: {
    providers: {
      openai: {
        apiKey: "\${OPENAI_API_KEY}",
        models: [{ id: "gpt-5-mini", cost: { input: 0.25, output: 2, cacheRead: 0.025 } }],
      },
    },
  },
  agents: { defaults: { model: "openai/gpt-5-mini" } },
}
\`\`\`
`;

const SECTIONS: readonly Section[] = [
  {
    title: 'Gateway',
    prefixes: ['gateway.'],
    text: 'The listener and who may call. `OPENCLAW_GATEWAY_TOKEN` and `OPENCLAW_GATEWAY_PASSWORD` are read after the variables shown.',
  },
  {
    title: 'Models and providers',
    prefixes: ['models.'],
    text: `A provider is one vendor endpoint that speaks one dialect: \`openai-completions\` (the default), \`openai-responses\`,
\`anthropic-messages\`, \`google-generate\`. A provider whose dialect is one of OpenClaw's that are not spoken here
(${[...FOREIGN_APIS].map((api) => `\`${api}\``).join(', ')}) is left out with a warning. Any model of a provider may be called.
A provider whose address is the gateway's own listener is refused, and so is an address that
holds a user or password.

**Prices** are \`cost\`, USD per 1M tokens, with at most six decimals, and are kept as integers of pico-USD per token (0.15 is
150000). \`input\` and \`output\` belong together. A missing \`cacheRead\` or \`cacheWrite\` is the \`input\` rate, a missing
\`cacheWrite1h\` the \`cacheWrite\` rate: a price nobody gave is never 0 (OpenClaw takes it as 0). Where a vendor charges more than
\`input\` for writing its cache, give the rate. Without \`cost\` the price books are asked
([prices.md](prices.md)); what they do not know is unpriced: its calls are counted, their cost is \`null\`.`,
  },
  {
    title: 'Agents',
    prefixes: ['agents.'],
    text: `An agent is a model with fallbacks and instructions, called as \`openclaw/<id>\`. \`agents.list\` and \`agents.entries\` are both
read. \`openclaw/default\` is the one with \`default: true\`, or the only one. Without any agent there is \`main\`, from
\`agents.defaults.model\` or from the only model that is configured. Reserved ids: ${REFUSED_NAMES.map((name) => `\`${name}\``).join(', ')}.`,
  },
  {
    title: 'Plugins',
    prefixes: ['plugins.'],
    text: 'Code of yours that follows the ledger, or decides before a dispatch: [plugins.md](plugins.md). How far one may go is under Limits.',
  },
  {
    title: 'Webhooks',
    prefixes: ['webhooks[]'],
    text: `Endpoints of the operator's own; others are made with \`webhooks add\` or through the API. [webhooks.md](webhooks.md) tells
formats, signatures, retries and which addresses are refused.`,
  },
  { title: 'Events', prefixes: ['events.'], text: 'What is put into the event log beside usage.' },
  { title: 'Ledger', prefixes: ['ledger.'], text: 'How much must survive what.' },
  {
    title: 'Sessions',
    prefixes: ['sessions.'],
    text: 'What is remembered under a session key, and for how long. Deleting it takes nothing from the ledger.',
  },
  { title: 'Metering', prefixes: ['metering.'], text: 'What happens to the count when a caller hangs up.' },
  {
    title: 'Upstream',
    prefixes: ['upstream.'],
    text: 'Patience with providers; `timeoutSeconds` of one provider is above.',
  },
  {
    title: 'Limits',
    prefixes: ['limits.'],
    text: 'Everything that could grow has a limit, and each has its name here.',
  },
];

export function configDocument(): string {
  return `${[HEAD, ...SECTIONS.map(sectionText), vendorText()].join('\n')}`;
}

function sectionText({ title, prefixes, text }: Section): string {
  const rows = Object.entries<Option>(OPTIONS)
    .filter(([path]) => prefixes.some((prefix) => path.startsWith(prefix)))
    .map(([path, option]) =>
      row([`\`${path}\``, kindText(option), defaultText(option), setBy(option), reasonText(option)]),
    );
  return [
    `## ${title}\n`,
    `${text}\n`,
    row(['option', 'kind', 'default', 'also set by', 'what it does']),
    rule(5),
    ...rows,
    '',
  ].join('\n');
}

function vendorText(): string {
  const rows = VENDORS.map(({ id, name, keyVariables, baseUrlVariables, baseUrl, api, also }) => {
    const others = Object.entries(also).map(([other, url]) => `\`${other}\` at \`${url}\``);
    const address = `\`${baseUrl}\``;
    const names = [`\`${id}\``, name, codes(keyVariables), codes(baseUrlVariables)];
    return row([...names, address, `\`${api}\``, others.join(', ') || '–']);
  });
  return [
    '## Known vendors\n',
    `A vendor whose key is in the environment is a provider without any file; its address variable moves it elsewhere. Both win over
the file, but a vendor's key never replaces the \`apiKey\` that a file gives for an address that is not the vendor's.
\`models.mode: "replace"\` uses only the providers of the file.\n`,
    row(['provider', 'vendor', 'key', 'address', 'default address', 'dialect', 'also speaks']),
    rule(7),
    ...rows,
    '',
  ].join('\n');
}

function kindText(option: Option): string {
  switch (option.kind) {
    case 'integer':
      return `whole number ${option.min}–${option.max}${option.unit === null ? '' : `, ${option.unit}`}`;
    case 'boolean':
      return 'true, false';
    case 'choice':
      return codes(option.of);
    case 'rate':
      return `number, ${option.unit}`;
    case 'texts':
      return 'names and texts';
    case 'names':
      return 'list of texts';
    case 'model':
      return 'text or object';
    default:
      return option.kind;
  }
}

function defaultText(option: Option): string {
  if (option.default === null) return '';
  if (option.kind === 'boolean' && option.default !== option.defaultWithoutFile) {
    return `\`${option.default}\` (without a file \`${option.defaultWithoutFile}\`)`;
  }
  return option.kind === 'names' ? `\`${JSON.stringify(option.default)}\`` : `\`${option.default}\``;
}

function reasonText({ reason, needsRestart }: Option): string {
  return needsRestart ? `${reason} *Needs a restart.*` : reason;
}

function setBy({ environment, flag }: Option): string {
  return codes([environment, flag].filter((name) => name !== null));
}

function codes(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(', ');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function rule(columns: number): string {
  return `|${' --- |'.repeat(columns)}`;
}

if (import.meta.main) process.stdout.write(configDocument());
