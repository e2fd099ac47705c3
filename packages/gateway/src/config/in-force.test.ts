/** What is in force and who said so, for every option that is not one provider's or agent's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from './decide.ts';
import { readEnvironment, type Variables } from './environment.ts';
import type { Flags } from './inputs.ts';
import { OPTIONS } from './options.ts';

function inForce(content: unknown, variables: Variables = {}, flags: Flags = {}) {
  const { settings } = decide({
    flags,
    environment: readEnvironment(variables),
    file: content === null ? null : { path: 'x.json5', content },
    stateDir: '/state',
    localAddresses: [],
  });
  return { settings, of: (path: string) => settings.find((setting) => setting.path === path)! };
}

test('a value is said with its unit and with who gave it: a flag, a variable, the file, nobody', () => {
  const file = { gateway: { port: 1 }, limits: { runsMax: 7 } };
  const asked = (of: ReturnType<typeof inForce>['of'], path: string) => {
    const { value, source, from } = of(path);
    return [value, source, from];
  };
  const plain = inForce(file);
  assert.deepEqual(asked(plain.of, 'gateway.port'), [1, 'file', null]);
  assert.deepEqual(asked(plain.of, 'limits.runsMax'), [7, 'file', null]);
  assert.deepEqual(asked(plain.of, 'limits.tagsMax'), [32, 'default', null]);
  assert.equal(plain.of('limits.bodyBytesMax').unit, 'bytes');
  const withVariable = inForce(file, { WEIGHBRIDGE_PORT: '2' });
  assert.deepEqual(asked(withVariable.of, 'gateway.port'), [2, 'environment', 'WEIGHBRIDGE_PORT']);
  const withFlag = inForce(file, { WEIGHBRIDGE_PORT: '2' }, { port: '3' });
  assert.deepEqual(asked(withFlag.of, 'gateway.port'), [3, 'flag', '--port']);
  assert.equal(plain.of('gateway.http.endpoints.chatCompletions.enabled').value, false);
  assert.equal(inForce(null).of('gateway.http.endpoints.chatCompletions.enabled').value, true);
});

test('a secret is said to be set and never shown', () => {
  const { settings, of } = inForce({ gateway: { auth: { password: 'hunter2' } } }, { OPENCLAW_GATEWAY_TOKEN: 'tok-1' });
  assert.equal(of('gateway.auth.password').value, 'set');
  assert.equal(of('gateway.auth.token').from, 'OPENCLAW_GATEWAY_TOKEN');
  assert.doesNotMatch(JSON.stringify(settings), /hunter2|tok-1/);
});

test('every limit of the table is listed', () => {
  const { settings } = inForce(null);
  const listed = new Set<string>(settings.map(({ path }) => path));
  const limits = Object.keys(OPTIONS).filter((path) => /^(limits|upstream|metering|ledger)\./.test(path));
  assert.deepEqual(
    limits.filter((path) => !listed.has(path)),
    [],
  );
});
