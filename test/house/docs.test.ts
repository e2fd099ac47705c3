/** The docs name what exists: every test that ARCHITECTURE.md promises, every file that README and docs link to. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { cliDocument, describedProgram } from '../../packages/gateway/src/cli/document.ts';

const root = join(import.meta.dirname, '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

test('every test file that ARCHITECTURE.md names exists', () => {
  const named = [...text('ARCHITECTURE.md').matchAll(/`([\w./-]+\.test\.ts)`/g)].map((match) => match[1]!);
  assert.ok(named.length > 20);
  const missing = named.filter(
    (path) => !existsSync(join(root, path)) && !existsSync(join(root, 'packages/gateway/src', path)),
  );
  assert.deepEqual(missing, []);
});

test('every room on disk has its row in ARCHITECTURE.md', () => {
  const rooms = readdirSync(join(root, 'packages/gateway/src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  const architecture = text('ARCHITECTURE.md');
  assert.deepEqual(
    rooms.filter((room) => !architecture.includes(`\`${room}/\``)),
    [],
  );
});

test('every relative link of the documents leads somewhere', () => {
  const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root });
  assert.ok(documents.length > 10, `only ${documents.length} documents were found`);
  const broken = documents.flatMap((document) =>
    [...text(document).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map((match) => match[1]!)
      .filter((target) => !existsSync(join(root, dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every line that the gateway logs as an error is among those that docs/operations.md says to alert on', () => {
  const sources = globSync('packages/gateway/src/**/*.ts', { cwd: root }).filter(
    (path) => !/\.(test|fixture)\.ts$/.test(path),
  );
  const logged = sources.flatMap((path) => [...text(path).matchAll(/log\.(error|warn)\([^;]*?'([^']+)'\s*,?\s*\)/gs)]);
  // A sentence that is not written where it is logged cannot be looked up.
  const calls = sources.flatMap((path) => [...text(path).matchAll(/log\.(error|warn)\(/g)]);
  assert.equal(logged.length, calls.length, 'every log.error and log.warn says its sentence as a literal');
  const errors = logged.filter(([, level]) => level === 'error').map(([, , message]) => message!);
  assert.ok(errors.length > 4, `only ${errors.length} were found`);
  const [, section = ''] = text('docs/operations.md').split('### Log lines to alert on\n');
  const rows = section.split('\n').filter((line) => /^\| [45]0 /.test(line));
  const told = rows.flatMap((row) => [...row.split(' | ')[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
  assert.deepEqual(
    errors.filter((message) => !told.includes(message)),
    [],
    'add them to the table',
  );
  const known = logged.map(([, , message]) => message!);
  assert.deepEqual(
    told.filter((message) => !known.includes(message)),
    [],
    'nobody logs these any more',
  );
});

test('docs/cli.md is what the program says of itself', async () => {
  assert.equal(
    text('docs/cli.md'),
    await cliDocument(),
    'run `node packages/gateway/src/cli/document.ts > docs/cli.md`',
  );
});

test('every verb says its answer as JSON', async () => {
  const verbs = allVerbs(await describedProgram()).filter(({ commands }) => commands.length === 0);
  assert.ok(verbs.length > 10);
  const without = verbs.filter(({ options }) => !options.some(({ long }) => long === '--json'));
  assert.deepEqual(
    without.map((verb) => verb.name()),
    [],
  );
});

test('every command that a document shows exists, with its options', async () => {
  const program = await describedProgram();
  const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root });
  const shown = documents.flatMap((document) => commandsIn(text(document)).map((command) => ({ document, command })));
  assert.ok(shown.length > 30, `only ${shown.length} commands were found`);
  const wrong = shown.map(({ document, command }) => ({ document, command, problem: problemOf(program, command) }));
  assert.deepEqual(
    wrong.filter(({ problem }) => problem !== null),
    [],
  );
});

function allVerbs(command: Command): Command[] {
  return command.commands.flatMap((verb) => [verb, ...allVerbs(verb)]);
}

/** In blocks and in spans of code: whatever follows the program's name, up to the end of the command. */
function commandsIn(document: string): string[] {
  const code = [...document.matchAll(/```\w*\n([\s\S]*?)```|`([^`\n]+)`/g)].map(
    ([, block, span]) => block ?? span ?? '',
  );
  const program = /(?:^|[\s(=/])(?:weighbridge|npm run -s cli --) +([^\n;|)#]+)/gm;
  return code.flatMap((part) => [...part.matchAll(program)].map((match) => match[1]!.trim()));
}

function problemOf(program: Command, text: string): string | null {
  const [first = '', ...words] = text.split(/\s+/);
  // `VERB` stands for any; the ready line is no command.
  if (first === 'VERB' || first === 'listening' || first.startsWith('-')) return null;
  let command = program.commands.find((verb) => verb.name() === first);
  if (command === undefined) return `there is no verb ${first}`;
  for (const word of words) {
    const below: Command | undefined = command.commands.find((verb) => verb.name() === word);
    command = below ?? command;
    const flag = /^--[a-z-]+/.exec(word)?.[0];
    if (flag !== undefined && flag !== '--help' && !command.options.some(({ long }) => long === flag))
      return `there is no ${flag}`;
    if (
      below === undefined &&
      flag === undefined &&
      command.commands.length > 0 &&
      command.registeredArguments.length === 0 &&
      command.options.length === 0
    ) {
      return `there is no ${command.name()} ${word}`;
    }
  }
  return null;
}
