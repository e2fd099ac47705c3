/**
 * Keeps the one-way order and the tidy rules of ARCHITECTURE.md. Each rule is first proved on a sample that breaks it:
 * a rule that finds nothing anywhere would look the same as a clean house.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allViolations,
  nameViolations,
  orderViolations,
  packageViolations,
  socketViolations,
  tidyViolations,
} from './rules.ts';
import { importsOf, type SourceFile, sourceFiles } from './source.ts';

const SRC = 'packages/gateway/src';
const sample = (path: string, text: string): SourceFile => ({ path, text });

test('every file of the house keeps the order and the tidy rules', () => {
  const files = sourceFiles();
  assert.ok(files.length > 20, `found only ${files.length} files; the patterns of source.ts are wrong`);
  assert.deepEqual(allViolations(files), []);
});

test('every kind of import is seen, and imports in comments and strings of prose are not', () => {
  const text = `
    import a from './a.ts';
    import type { B } from './b.ts';
    import './c.ts';
    export { d } from './d.ts';
    export * from "./e.ts";
    const f = await import('./f.ts');
    type G = import('./g.ts').G;
    new Worker(new URL('./h.ts', import.meta.url));
    import {
      i,
      type I2,
    } from './i.ts';
    // import x from './x.ts';
    /* import y from './y.ts' */
    const url = 'http://example.com/'; import z from './z.ts';
  `;
  const found = importsOf(text).sort();
  assert.deepEqual(
    found,
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'z'].map((name) => `./${name}.ts`),
  );
});

const ORDER_BREAKERS: [string, string, string][] = [
  ['upward', `${SRC}/ledger/x.ts`, "import { a } from '../dispatch/a.ts';"],
  ['upward by a type', `${SRC}/ledger/x.ts`, "import type { A } from '../http/a.ts';"],
  ['upward by a dynamic import', `${SRC}/store/x.ts`, "await import('../ledger/a.ts');"],
  ['upward by a re-export', `${SRC}/lib/x.ts`, "export * from '../domain/a.ts';"],
  ['upward by a type query', `${SRC}/lib/x.ts`, "type A = import('../domain/a.ts').A;"],
  ['a neighbour', `${SRC}/ledger/x.ts`, "import { a } from '../providers/a.ts';"],
  ['a neighbour on floor 1', `${SRC}/store/x.ts`, "import { a } from '../config/a.ts';"],
  ['the nouns upward', `${SRC}/domain/x.ts`, "import { a } from '../store/a.ts';"],
  ['the roof', `${SRC}/cli/x.ts`, "import { startGateway } from '../gateway.ts';"],
  ['upward, from a test', `${SRC}/ledger/x.test.ts`, "import { a } from '../dispatch/a.ts';"],
  ['a room without a floor', `${SRC}/attic/x.ts`, ''],
];
for (const [what, path, text] of ORDER_BREAKERS) {
  test(`the order test finds an import of ${what}`, () => {
    const found = orderViolations(sample(path, text));
    assert.equal(found.length, 1, found.join('\n'));
  });
}

test('the order test allows lower floors, the room itself, domain from floor 1, and neighbours from a test', () => {
  const allowed: [string, string][] = [
    [`${SRC}/dispatch/x.ts`, "import { a } from '../ledger/a.ts'; import { b } from './b.ts';"],
    [`${SRC}/store/sqlite/x.ts`, "import { a } from '../../domain/a.ts'; import { b } from '../open.ts';"],
    [`${SRC}/main.ts`, "import { a } from './cli/a.ts';"],
    [`${SRC}/ledger/x.test.ts`, "import { a } from '../providers/a.ts';"],
    [`${SRC}/http/x.ts`, "import fastify from 'fastify';"],
  ];
  for (const [path, text] of allowed) assert.deepEqual(orderViolations(sample(path, text)), []);
});

test('a package that reaches above itself or out of itself is found', () => {
  const breakers: [string, string][] = [
    ['packages/protocol/src/x.ts', "import { a } from 'weighbridge';"],
    ['packages/client/src/x.ts', "import { a } from '../../gateway/src/a.ts';"],
    [`${SRC}/lib/x.ts`, "import { a } from '../../../../test/rig/load.ts';"],
  ];
  for (const [path, text] of breakers) assert.equal(packageViolations(sample(path, text)).length, 1, path);
  assert.deepEqual(packageViolations(sample(`${SRC}/lib/x.test.ts`, "import '../../../../test/rig/load.ts';")), []);
});

test('a file that opens sockets outward is found, whatever the module', () => {
  for (const module of ['undici', 'node:net', 'node:tls', 'node:http', 'node:https']) {
    const found = socketViolations(sample(`${SRC}/ledger/x.ts`, `import { a } from '${module}';`));
    assert.equal(found.length, 1, module);
  }
  assert.equal(socketViolations(sample(`${SRC}/http/x.ts`, "import { Pool } from 'undici';")).length, 1);
  assert.equal(socketViolations(sample(`${SRC}/runs/x.ts`, "await fetch('http://x');")).length, 1);
  assert.deepEqual(socketViolations(sample(`${SRC}/dispatch/upstream.ts`, "import { Pool } from 'undici';")), []);
  assert.deepEqual(socketViolations(sample(`${SRC}/access/x.ts`, "import type { A } from 'node:http';")), []);
});

test('names that say nothing are found', () => {
  const breakers: [string, string][] = [
    [`${SRC}/lib/utils.ts`, ''],
    [`${SRC}/lib/string-helper.ts`, ''],
    [`${SRC}/lib/x.ts`, 'export const data = 1;'],
    [`${SRC}/lib/x.ts`, 'export class SessionManager {}'],
    [`${SRC}/lib/x.ts`, 'const a = 1; export { a as handle };'],
  ];
  for (const [path, text] of breakers) assert.equal(nameViolations(sample(path, text)).length, 1, `${path} ${text}`);
  assert.deepEqual(nameViolations(sample(`${SRC}/lib/x.ts`, 'export function settle() { const data = 1; }')), []);
});

test('long files, files without an opening comment, any, and machine paths are found', () => {
  const opening = '/** What lives here. */\n';
  const breakers = [
    opening + 'x;\n'.repeat(400),
    'export const a = 1;\n',
    `${opening}let a: any;\n`,
    `${opening}const a = b as any;\n`,
    `${opening}const a: Map<string, any> = b;\n`,
    `${opening}const a = '${['', 'home', 'someone'].join('/')}';\n`,
  ];
  for (const text of breakers)
    assert.equal(tidyViolations(sample(`${SRC}/lib/x.ts`, text)).length, 1, text.slice(0, 80));
  assert.deepEqual(tidyViolations(sample(`${SRC}/lib/x.ts`, `${opening}// any of these\nconst a = 'any';\n`)), []);
});
