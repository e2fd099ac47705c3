/** Scopes only ever narrow, a device's proof holds for what it was made for, and nothing else decides who somebody is. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import type { ConnectParams } from '@openclaw/gateway-protocol';
import fc from 'fast-check';
import { type Caller, SCOPES } from '../domain/caller.ts';
import { deviceFault } from './device.ts';
import { allows, granted, heldBy, WIRE_SCOPES } from './scopes.ts';

const OPERATOR: Caller = { tenantId: 'default', keyId: null, scopes: new Set(SCOPES) };
const keyWith = (scopes: readonly (typeof SCOPES)[number][]): Caller => ({
  tenantId: 't',
  keyId: 'key_1',
  scopes: new Set(scopes),
});

test('whatever a client asks for, it gets no scope that its credential does not hold', () => {
  fc.assert(
    fc.property(
      fc.subarray([...SCOPES]),
      fc.option(fc.array(fc.oneof(fc.constantFrom(...WIRE_SCOPES), fc.string()))),
      fc.integer({ min: 3, max: 4 }),
      (own, asked, protocol) => {
        const caller = keyWith(own);
        const held = heldBy(caller);
        for (const scope of granted(caller, asked, protocol)) {
          assert.ok(allows(held, scope));
          if (asked !== null) assert.ok(asked.includes(scope));
        }
      },
    ),
  );
});

test('the operator gets what is asked for, all of it under protocol 3, nothing for nothing under 4', () => {
  assert.deepEqual(granted(OPERATOR, ['operator.read', 'nope'], 4), ['operator.read']);
  assert.deepEqual(granted(OPERATOR, null, 3), [...WIRE_SCOPES]);
  assert.deepEqual(granted(OPERATOR, null, 4), []);
  assert.deepEqual(granted(keyWith(['read']), null, 3), ['operator.read']);
  assert.deepEqual(granted(keyWith(['metrics']), ['operator.admin'], 4), []);
});

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
const NONCE = 'the-nonce';
const NOW = 1_795_179_548_819;

function connectParams(form: 2 | 3): ConnectParams {
  const client = { id: 'cli', version: '1', platform: 'Linux', mode: 'cli', deviceFamily: 'PC' } as const;
  const id = createHash('sha256').update(raw).digest('hex');
  const common = [id, 'cli', 'cli', 'operator', 'operator.read,operator.write', NOW, 'tok', NONCE].join('|');
  const text = form === 3 ? `v3|${common}|linux|pc` : `v2|${common}`;
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client,
    scopes: ['operator.read', 'operator.write'],
    auth: { token: 'tok' },
    device: {
      id,
      publicKey: raw.toString('base64url'),
      signature: sign(null, Buffer.from(text), privateKey).toString('base64url'),
      signedAt: NOW,
      nonce: NONCE,
    },
  };
}

test('a device’s signature holds in both forms, and for nothing but what was signed', () => {
  for (const form of [2, 3] as const) assert.equal(deviceFault(connectParams(form), NONCE, NOW), null);
  const params = connectParams(3);
  const changed: [string, ConnectParams, string][] = [
    ['another nonce', params, 'other'],
    ['other scopes', { ...params, scopes: ['operator.admin'] }, NONCE],
    ['another token', { ...params, auth: { token: 'x' } }, NONCE],
    ['another role', { ...params, role: 'node' }, NONCE],
    ['another client', { ...params, client: { ...params.client, id: 'test' } }, NONCE],
    ['another platform', { ...params, client: { ...params.client, platform: 'darwin' } }, NONCE],
    ['another id', { ...params, device: { ...params.device!, id: '0'.repeat(64) } }, NONCE],
    ['a key that is none', { ...params, device: { ...params.device!, publicKey: 'AAAA' } }, NONCE],
    ['a signature that is none', { ...params, device: { ...params.device!, signature: '!' } }, NONCE],
  ];
  for (const [what, own, nonce] of changed) assert.notEqual(deviceFault(own, nonce, NOW), null, what);
  assert.equal(deviceFault(params, NONCE, NOW + 11 * 60_000), 'device-signature-stale');
});
