/** The token’s file: made once, closed to others, never guessed. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Secret } from '../lib/secret.ts';
import { holdSecrets } from './secrets.ts';

const NOTHING = { token: null, password: null };

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('the token is made once, readable by its owner only, and is the same at the next start', (t) => {
  const stateDir = join(temporary(t), 'deep', 'state');
  const first = holdSecrets('token', NOTHING, stateDir, true);
  const file = join(stateDir, 'token');
  assert.deepEqual(first.token, { from: file, file, created: true });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(stateDir).mode & 0o777, 0o700);
  assert.equal(readFileSync(file, 'utf8').trim(), first.secrets.token?.reveal());
  assert.ok((first.secrets.token?.reveal().length ?? 0) >= 43);
  const second = holdSecrets('token', NOTHING, stateDir, true);
  assert.equal(second.token?.created, false);
  assert.equal(second.secrets.token?.reveal(), first.secrets.token?.reveal());
  assert.deepEqual(readdirSync(stateDir), ['token']);
});

test('a token that was given is held and none is written', (t) => {
  const stateDir = temporary(t);
  const given = { token: { secret: new Secret('mine'), from: 'WEIGHBRIDGE_TOKEN' }, password: null };
  const held = holdSecrets('token', given, stateDir, true);
  assert.equal(held.secrets.token?.reveal(), 'mine');
  assert.equal(held.token?.from, 'WEIGHBRIDGE_TOKEN');
  assert.deepEqual(readdirSync(stateDir), []);
});

test('a verb that only asks makes no token', (t) => {
  const stateDir = temporary(t);
  assert.equal(holdSecrets('token', NOTHING, stateDir, false).secrets.token, null);
  assert.deepEqual(readdirSync(stateDir), []);
});

test('the modes password and none make no token and hold none', (t) => {
  const stateDir = temporary(t);
  const given = { token: null, password: { secret: new Secret('p'), from: 'x' } };
  assert.equal(holdSecrets('password', given, stateDir, true).secrets.password?.reveal(), 'p');
  assert.deepEqual(holdSecrets('none', given, stateDir, true).secrets, { token: null, password: null });
  assert.deepEqual(readdirSync(stateDir), []);
});

test('an empty token file is an error that says what to do, not an empty token', (t) => {
  const stateDir = temporary(t);
  writeFileSync(join(stateDir, 'token'), '\n');
  assert.throws(() => holdSecrets('token', NOTHING, stateDir, true), /does not hold a token\. Delete it/);
});

test('a token file that others can read is a warning', (t) => {
  const stateDir = temporary(t);
  holdSecrets('token', NOTHING, stateDir, true);
  chmodSync(join(stateDir, 'token'), 0o644);
  assert.match(holdSecrets('token', NOTHING, stateDir, true).warnings[0] ?? '', /chmod 600/);
});

test('a state directory that cannot be made is an error with its path', (t) => {
  const file = join(temporary(t), 'file');
  writeFileSync(file, '');
  assert.throws(() => holdSecrets('token', NOTHING, join(file, 'state'), true), /--state-dir/);
});
