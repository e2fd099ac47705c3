/**
 * Writes docs/cli.md from the program's own definition, so that what people read is what the program takes:
 * `node packages/gateway/src/cli/document.ts > docs/cli.md`. A test compares the file with this, and a verb without its
 * words here is an error.
 */
import type { Command, Option } from 'commander';
import { definedProgram } from './program.ts';
import { EXIT_CODES, type Surroundings } from './surroundings.ts';

const HEAD = `# The command line

<!-- Generated from packages/gateway/src/cli by \`node packages/gateway/src/cli/document.ts > docs/cli.md\`. Do not edit. -->

\`npm run -s cli -- VERB\` in a clone, \`weighbridge VERB\` where it is installed.

**Whom a verb asks.** Verbs that only ask find the running gateway by \`STATE_DIR/gateway.json\`, or by \`--url\`; both ways they show the
same. Where none runs they read the ledger itself and change nothing. \`ledger\` verbs always work on the database itself.

**What goes where.** Answers go to stdout: tables for people, with \`--json\` one object for programs (a line for each change under
\`--watch\`). Warnings, progress bars and errors go to stderr; a bar is drawn only on a terminal. \`--watch\` redraws a terminal and ends with
Ctrl-C.

**Which configuration.** A flag wins over an environment variable, that over the file, that over the default; see
[config.md](config.md). Give secrets as variables (\`WEIGHBRIDGE_TOKEN\`), not as flags: other users of a machine can see those.
`;

interface Words {
  text: string;
  examples?: readonly string[];
}

/** What the definition does not say. */
const WORDS: Readonly<Record<string, Words>> = {
  serve: {
    text: `Exactly one line goes to stdout, when calls are taken: \`weighbridge listening on http://HOST:PORT\`. The log goes to stderr. SIGTERM
and Ctrl-C drain for at most \`limits.shutdownDrainMs\`; a second one ends at once.`,
    examples: ['weighbridge serve', 'weighbridge serve --config ./openclaw.json --port 0'],
  },
  init: {
    text: `Writes \`STATE_DIR/weighbridge.json5\`, readable by its owner only. It never overwrites, and never touches the file it reads: with
\`--from\` it prints the \`openclaw config set\` commands that put OpenClaw behind Weighbridge, and those that take them back
([openclaw.md](openclaw.md)).`,
    examples: ['weighbridge init --from ~/.openclaw/openclaw.json'],
  },
  doctor: {
    text: `Looks at the configuration, the state directory, the running gateway, the ledger (engine, size, schema, whether the newest entries agree),
its disk, the clocks, the providers and the prices; then lists every limit with its value, who gave it, and its reason. It changes nothing.
Exit code 3 when something would keep a gateway, or with \`--live\` a provider, from working; warnings do not change the exit code.`,
    examples: ['weighbridge doctor', 'weighbridge doctor --live --json'],
  },
  reload: {
    text: `Says what changed and what waits for a restart. Where the gateway does not know the token, because that is what changed, it is sent
SIGHUP. Exit code 2 when the file is refused: then the gateway goes on with what it has.`,
    examples: ['weighbridge reload', 'weighbridge reload --json'],
  },
  token: {
    text: 'Prints nothing else, so it can stand in `$(…)`.',
    examples: ['curl -H "Authorization: Bearer $(weighbridge token)" http://127.0.0.1:18760/v1/models'],
  },
  open: {
    text: 'Prints the link and opens nothing. It is good for two minutes, once, at that gateway; its code stands behind `#`, which no server sees.',
    examples: ['weighbridge open'],
  },
  models: {
    text: 'Every configured model and every other that was used, with counts since the ledger began.',
    examples: ['weighbridge models --watch'],
  },
  usage: {
    text: 'The same numbers as `GET /api/v1/usage` ([http.md](http.md)), for the whole ledger unless a period is given.',
    examples: [
      'weighbridge usage --by agent,model --from 7d',
      'weighbridge usage --json --from 2026-11-01 --to 2026-12-01',
    ],
  },
  tail: {
    text: `A line for each event of the log, from now on or after \`--after\`; with \`--json\` the whole event. A connection that breaks is taken
up where it was: no event is missing, none comes twice. Ends with Ctrl-C.`,
    examples: [
      'weighbridge tail',
      'weighbridge tail --agent main --json',
      'weighbridge tail --types model.usage --after 0',
    ],
  },
  runs: {
    text: 'Asks the gateway that runs here, or the one at `--url`; on a shared database each gateway knows only its own.',
    examples: ['weighbridge runs --watch'],
  },
  'runs stop': {
    text: 'The caller gets an error, what passed is counted. Exit code 1 when there is no such run.',
    examples: ['weighbridge runs stop run_01KAJ0000000000000000000AB'],
  },
  sessions: {
    text: 'What is remembered under a session key, and what was said: [http.md](http.md). All of it asks the running gateway.',
  },
  'sessions list': {
    text: 'Counts are the ledger’s, of all runs since a session was made or reset.',
    examples: ['weighbridge sessions list --agent main', 'weighbridge sessions list --search conv --json'],
  },
  'sessions show': {
    text: 'The last twenty messages. Of outbound headers the names; values are never shown again.',
    examples: ['weighbridge sessions show agent:main:main'],
  },
  'sessions export': {
    text: 'All messages that are kept, oldest first, as OpenClaw writes transcripts.',
    examples: ['weighbridge sessions export agent:main:main > main.jsonl'],
  },
  'sessions delete': {
    text: 'Entries of the ledger stay: what it cost does not change.',
    examples: ['weighbridge sessions delete agent:main:main --transcript-only'],
  },
  prices: {
    text: 'How a price is found, what is left unpriced, and how corrections are booked: [prices.md](prices.md).',
  },
  'prices list': {
    text: 'Without options the models of the configuration. Asks no gateway.',
    examples: ['weighbridge prices list', 'weighbridge prices list --provider openai --json'],
  },
  'prices explain': {
    text: 'Exit code 3 when such a call would be unpriced; the reason is in the answer. Asks no gateway.',
    examples: [
      'weighbridge prices explain openai/gpt-5.4',
      'weighbridge prices explain openai/gpt-5.4 --prompt-tokens 300000 --service-tier flex --at 2026-08-01',
    ],
  },
  'prices import': {
    text: `LiteLLM’s price map, genai-prices’ list, pi-ai’s models, or a book of ours. One at a time: another import takes its place. A running
gateway takes it up within a second.`,
    examples: ['weighbridge prices import ./model_prices_and_context_window.json --date 2026-11-20'],
  },
  'prices check': {
    text: 'Exit code 3 when a configured model or a call has no price; prices at odds and old books are only told.',
    examples: ['weighbridge prices check'],
  },
  'prices reprice': {
    text: `The running gateway writes the corrections; where none runs the ledger is opened. Entries are never changed, and a cost is never
taken away. A gateway that still has other prices than the configuration is refused.`,
    examples: [
      'weighbridge prices reprice --since 2026-11-01 --model openai/gpt-5 --dry-run',
      'weighbridge prices reprice --since 7d --unpriced',
    ],
  },
  webhooks: {
    text: 'Who is told of each dispatch: [webhooks.md](webhooks.md). All but `listen` ask the running gateway.',
  },
  'webhooks list': {
    text: 'Endpoints of the file and those that were made. `behind` counts numbers of the event log; `paused` is one that failed five times in a row and is tried now and then.',
    examples: ['weighbridge webhooks list'],
  },
  'webhooks add': {
    text: 'Public https addresses only; what goes to this machine or a private network stands in the file.',
    examples: [
      'weighbridge webhooks add https://billing.example.com/usage --tenant acme',
      'weighbridge webhooks add https://ops.example.com/failed --filter outcome=failed --format cloudevents',
    ],
  },
  'webhooks remove': { text: 'With its place in the log. Endpoints of the file are taken out there.' },
  'webhooks enable': { text: 'After 410 had disabled it, or somebody had.' },
  'webhooks disable': { text: 'Its events wait in the log.' },
  'webhooks test': {
    text: 'The message is of type `webhook.test` and sums up to nothing. Exit code 1 when it is not delivered.',
    examples: ['weighbridge webhooks test usage'],
  },
  'webhooks rotate': { text: 'The new secret alone goes to stdout.' },
  'webhooks deliveries': {
    text: 'What was delivered is not among them.',
    examples: ['weighbridge webhooks deliveries usage --dead'],
  },
  'webhooks replay': {
    text: 'At least once, as ever: a receiver knows repeats by their `webhook-id`.',
    examples: [
      'weighbridge webhooks replay usage --from 1234',
      'weighbridge webhooks replay usage --since 2026-11-20T00:00:00Z',
    ],
  },
  plugins: {
    text: 'Code of yours that follows the ledger or decides: [plugins.md](plugins.md). Asks the running gateway.',
  },
  'plugins list': {
    text: '`behind` counts events that it has yet to get; `failed` is one that could not be loaded.',
    examples: ['weighbridge plugins list'],
  },
  'plugins show': {
    text: 'With the newest hundred events that were set aside.',
    examples: ['weighbridge plugins show recorder'],
  },
  'plugins replay': {
    text: 'At least once, as ever: the same events under the same ids.',
    examples: [
      'weighbridge plugins replay recorder',
      'weighbridge plugins replay recorder --since 2026-11-20T00:00:00Z',
    ],
  },
  'webhooks listen': {
    text: 'For trying: put its address into the file with `allowPrivate: true`. `--status 500` shows what retries look like.',
    examples: ['weighbridge webhooks listen --port 9000'],
  },
  keys: {
    text: 'Who may call, for which tenant, and what: [keys.md](keys.md). Through the running gateway; where none runs, on the ledger’s database.',
  },
  'keys create': {
    text: `Prints the key to stdout, once, and what it is to stderr: it can stand in \`$(…)\`, and nobody can read it again. A header is forced on
each of the key's calls: attribution is recorded, anything else goes to the provider.`,
    examples: [
      'weighbridge keys create --tenant acme',
      'weighbridge keys create --tenant acme --scopes dispatch,read --agent main --expires 90d --name ci',
      'weighbridge keys create --tenant acme --header x-weighbridge-end-user-id=acme-prod',
    ],
  },
  'keys list': {
    text: 'Newest first, revoked ones too. Never a key itself, nor the values of its headers.',
    examples: ['weighbridge keys list --tenant acme'],
  },
  'keys revoke': {
    text: 'Refused at once by the gateway that is asked, within a second by every other on its database. There is no way back.',
    examples: ['weighbridge keys revoke key_01KAJ0000000000000000000AB'],
  },
  ledger: {
    text: 'What each is for, and when gateways must stop: [operations.md](operations.md).',
  },
  'ledger verify': {
    text: 'Sees one moment of the ledger, whatever is written meanwhile. Exit code 3 when something differs.',
    examples: ['weighbridge ledger verify', 'weighbridge ledger verify --file 2026-10.ndjson'],
  },
  'ledger rebuild': {
    text: 'Entries are never touched. On SQLite no gateway may run. Back up first.',
    examples: ['weighbridge ledger rebuild'],
  },
  'ledger import': {
    text: `A gateway must not have the file. If it breaks off, give the same command again: it goes on where it was. Both sides are read and
compared at the end.`,
    examples: ['weighbridge ledger import ~/.weighbridge/weighbridge.sqlite'],
  },
  'ledger backup': {
    text: 'While gateways run, from either engine; it is checked after it was made. Nothing is written over.',
    examples: ['weighbridge ledger backup /var/backups/weighbridge/2026-11-21.sqlite'],
  },
  'ledger rename': {
    text: 'No gateway may have it open.',
    examples: ['weighbridge ledger rename'],
  },
  'ledger export': {
    text: `NDJSON: a head, one line for each entry with a running hash, and a last line with the count; \`ledger verify --file\` finds any change.
CSV: RFC 4180, names that look like formulas are made text.`,
    examples: ['weighbridge ledger export --from 2026-10-01 --to 2026-11-01 --out 2026-10.ndjson'],
  },
  dispatches: {
    text: 'One line for each request to a provider; those in flight too.',
    examples: ['weighbridge dispatches --outcome uncertain --limit 100'],
  },
  'dispatches show': {
    text: 'Everything that is known: each price line, and the usage as the provider sent it. Exit code 1 when there is none.',
    examples: ['weighbridge dispatches show dsp_01KAJ0000000000000000000AB'],
  },
};

/** The program that a document describes; nothing of it is run. */
export function describedProgram(): Promise<Command> {
  return definedProgram({ stdout: () => {}, stderr: () => {} } as unknown as Surroundings);
}

export async function cliDocument(): Promise<string> {
  const program = await describedProgram();
  return [HEAD, exitCodes(), contents(program), ...program.commands.map((verb) => verbText(verb, verb.name(), 2))].join(
    '\n',
  );
}

function exitCodes(): string {
  const rows = EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |\n`).join('');
  return `## Exit codes\n\n| code | means |\n| --- | --- |\n${rows}`;
}

function contents(program: Command): string {
  const rows = program.commands.map((verb) => `| [\`${verb.name()}\`](#${verb.name()}) | ${verb.description()} |\n`);
  return `## Verbs\n\n| verb | what it does |\n| --- | --- |\n${rows.join('')}`;
}

function verbText(verb: Command, name: string, depth: number): string {
  const words = WORDS[name];
  if (words === undefined) throw new Error(`cli/document.ts has no words for \`${name}\``);
  const { text, examples = [] } = words;
  const takes = verb.registeredArguments.map((argument) => ` <${argument.name()}>`).join('');
  const head = `${'#'.repeat(depth)} ${name}\n\n\`weighbridge ${name}${takes}\`: ${verb.description()}.\n`;
  const shown = examples.length === 0 ? '' : `\n\`\`\`sh\n${examples.join('\n')}\n\`\`\`\n`;
  const below = verb.commands.map((sub) => verbText(sub, `${name} ${sub.name()}`, depth + 1));
  return [`${head}\n${text}\n${shown}${optionsText(verb)}`, ...below].join('\n');
}

function optionsText({ options }: Command): string {
  if (options.length === 0) return '';
  const rows = options.map((option) => `| \`${option.flags}\` | ${optionText(option)} |\n`);
  return `\n| option | |\n| --- | --- |\n${rows.join('')}`;
}

function optionText({ description, defaultValue }: Option): string {
  const text = description.replaceAll('|', '\\|');
  return defaultValue === undefined ? text : `${text} (default: \`${defaultValue}\`)`;
}

if (import.meta.main) process.stdout.write(await cliDocument());
