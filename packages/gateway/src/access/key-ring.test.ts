/** Which text is whom: keys that are alike but for one character, and lists that come late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { IdSource } from '../lib/ids.ts';
import { type KeyRecord, KeyRing } from './key-ring.ts';
import { digestOf, keyIdIn, newKeyText } from './key-text.ts';

const ids = new IdSource();
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function record(keyId: string, over: Partial<KeyRecord> = {}): KeyRecord {
  return {
    tenantId: `tenant-of-${keyId}`,
    keyId,
    name: '',
    scopes: ['dispatch'],
    agentId: null,
    forced: { attribution: {}, outbound: {} },
    createdAt: 0,
    createdBy: null,
    expiresAt: null,
    revokedAt: null,
    ...over,
  };
}

test('a text that differs from a key in any one character is nobody', () => {
  const ring = new KeyRing();
  const keyId = ids.next('key');
  const text = newKeyText(keyId);
  ring.add(record(keyId), digestOf(text));
  assert.equal(ring.find(text, 0)?.keyId, keyId);
  let tried = 0;
  for (let at = 0; at < text.length; at++) {
    for (const character of ALPHABET) {
      if (character === text[at]) continue;
      assert.equal(ring.find(text.slice(0, at) + character + text.slice(at + 1), 0), null, `at ${at}: ${character}`);
      tried++;
    }
    assert.equal(ring.find(text.slice(0, at) + text.slice(at + 1), 0), null, `without the character at ${at}`);
    assert.equal(ring.find(text.slice(0, at) + text[at] + text.slice(at), 0), null, `the character at ${at} twice`);
  }
  assert.ok(tried > 4000);
  for (const other of [
    `${text} `,
    ` ${text}`,
    text.toLowerCase(),
    text.toUpperCase(),
    `${text}\0`,
    text.slice(0, 40),
  ]) {
    assert.equal(ring.find(other, 0), null);
  }
});

test('keys whose texts share all but one character are each their own', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 25 }),
      fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'),
      fc.integer({ min: 1, max: 20 }),
      (at, character, others) => {
        const ring = new KeyRing();
        const text = newKeyText(ids.next('key'));
        const twin = text.slice(0, 3 + at) + character + text.slice(4 + at);
        const family = [text, twin, ...Array.from({ length: others }, () => newKeyText(ids.next('key')))];
        fc.pre(new Set(family.map(keyIdIn)).size === family.length);
        for (const each of family) ring.add(record(keyIdIn(each)!), digestOf(each));
        for (const each of family) assert.equal(ring.find(each, 0)?.tenantId, `tenant-of-${keyIdIn(each)}`);
      },
    ),
    { seed, numRuns: 300 },
  );
});

test('whatever the order in which lists and changes come, a revoked key stays revoked and a new one stays known', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'revoke', 'beginRead', 'endRead'),
    key: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ring = new KeyRing();
      const texts: string[] = [];
      /** The table in the database, and what readings under way have seen of it. */
      const table = new Map<string, KeyRecord>();
      const readings: { number: number; seen: KeyRecord[] }[] = [];
      for (const { kind, key } of steps) {
        const keyId = keyIdIn(texts[key] ?? '');
        if (kind === 'add') {
          const made = ids.next('key');
          const text = newKeyText(made);
          texts.push(text);
          table.set(made, record(made));
          ring.add(record(made), digestOf(text));
        } else if (kind === 'revoke' && keyId !== null) {
          table.set(keyId, { ...table.get(keyId)!, revokedAt: 1 });
          ring.revoke(keyId, 1);
        } else if (kind === 'beginRead') {
          readings.push({ number: ring.beginReading(), seen: [...table.values()] });
        } else if (kind === 'endRead') {
          const { number, seen } = readings.shift() ?? { number: 0, seen: [] };
          const hashOf = (id: string) => digestOf(texts.find((text) => keyIdIn(text) === id)!);
          ring.replace(
            number,
            seen.map((known) => ({ record: known, hash: hashOf(known.keyId) })),
          );
        }
        for (const text of texts) {
          const isRevoked = table.get(keyIdIn(text)!)!.revokedAt !== null;
          assert.equal(ring.find(text, 0) === null, isRevoked, text);
        }
      }
    }),
    { seed, numRuns: 500 },
  );
});
