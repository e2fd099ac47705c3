/** The docs name what exists: every test that ARCHITECTURE.md promises, every file that README and docs link to. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
  const documents = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'docs/http.md',
    'docs/errors.md',
  ];
  const broken = documents.flatMap((document) =>
    [...text(document).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map((match) => match[1]!)
      .filter((target) => !existsSync(join(root, dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});
