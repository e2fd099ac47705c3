/** The docs name what exists: every test that ARCHITECTURE.md promises, every file that README and docs link to. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

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
