/** Keys over HTTP: made once, listed without what is secret, revoked; and whatever is sent, a refusal is all that comes of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CreatedKey, KeyInfo, List } from '@weighbridge/protocol';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { BEARER, Door } from './door.fixture.ts';

const door = new Door();
before(() => door.open({ everything: true }));
after(() => door.close());

type Answer = { status: number; body: CreatedKey & { error: { code: string; message: string; param: string | null } } };

async function post(body: string | Uint8Array, path = '/api/v1/keys', headers: object = BEARER): Promise<Answer> {
  const answer = await fetch(door.base + path, { method: 'POST', headers: headers as Record<string, string>, body });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

const make = (asked: object, headers: object = BEARER) => post(JSON.stringify(asked), '/api/v1/keys', headers);
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function listed(query = '', headers: Record<string, string> = BEARER): Promise<List<KeyInfo>> {
  return (await (await fetch(`${door.base}/api/v1/keys${query}`, { headers })).json()) as List<KeyInfo>;
}

test('a key is told in the answer to its making and never again, nor is what it forces', async () => {
  const headers = { 'X-Team': 'the-value-nobody-lists', 'x-weighbridge-tags': 'the-value-nobody-lists' };
  const { status, body } = await make({ tenantId: 'acme', scopes: ['read', 'dispatch'], name: 'ci', headers });
  assert.equal(status, 201);
  const { key, ...facts } = body;
  assert.deepEqual(facts.scopes, ['dispatch', 'read']);
  assert.deepEqual(facts.headers.toSorted(), ['x-team', 'x-weighbridge-tags']);
  const { data } = await listed();
  assert.deepEqual(data[0], facts);
  assert.ok(!JSON.stringify(data).includes('the-value-nobody-lists'));
  assert.ok(!JSON.stringify(data).includes(key.slice(-43)));
  const revoked = await post('', `/api/v1/keys/${facts.keyId}/revoke`);
  assert.equal(revoked.body.state, 'revoked');
  assert.deepEqual(
    (await post('', `/api/v1/keys/${facts.keyId}/revoke`)).body,
    revoked.body,
    'again, with the same answer',
  );
});

test('pages of keys hold each once, newest first', async () => {
  const made: string[] = [];
  for (let n = 0; n < 7; n++) made.unshift((await make({ tenantId: 'pages', scopes: ['read'] })).body.keyId);
  const admin = (await make({ tenantId: 'pages', scopes: ['admin'] })).body;
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: List<KeyInfo> = await listed(`?limit=3${cursor && `&cursor=${cursor}`}`, bearer(admin.key));
    assert.ok(page.data.length <= 3);
    assert.equal(page.hasMore, page.nextCursor !== null);
    seen.push(...page.data.map(({ keyId }) => keyId));
    cursor = page.nextCursor;
  }
  assert.deepEqual(seen, [admin.keyId, ...made]);
});

test('a key makes keys of its own tenant that can do no more than it, and is named as their maker', async () => {
  const asked = { tenantId: 'maker', scopes: ['read', 'admin'], agentId: 'main', expiresAt: Date.now() + 60_000 };
  const maker = (await make(asked)).body;
  const child = await make({ scopes: ['read'] }, bearer(maker.key));
  assert.equal(child.status, 201);
  const { tenantId, agentId, expiresAt, createdBy } = child.body;
  assert.deepEqual([tenantId, agentId, expiresAt, createdBy], ['maker', 'main', maker.expiresAt, maker.keyId]);
  for (const beyond of [
    { scopes: ['dispatch'] },
    { scopes: ['read'], tenantId: 'other' },
    { scopes: ['read'], agentId: 'ops' },
  ]) {
    assert.equal((await make(beyond, bearer(maker.key))).status, 403, JSON.stringify(beyond));
  }
});

test('a body that is no order of a key is refused, and says what is wrong with it', async () => {
  const order = '"tenantId":"acme","scopes":["read"]';
  for (const [body, status, code] of [
    ['', 400, 'invalid_json'],
    ['[]', 400, 'invalid_json'],
    [`{${order}`, 400, 'invalid_json'],
    [`{${order},"tenantId":"other"}`, 400, 'duplicate_key'],
    [`{${order},"headers":{"x-a":"1","X-A":"2"}}`, 400, 'invalid_request'],
    [`{${order},"headers":{"__proto__":"1"}}`, 400, 'invalid_request'],
    [`{${order},"__proto__":{}}`, 400, 'invalid_request'],
    [`{${order},"name":${'['.repeat(5000)}${']'.repeat(5000)}}`, 400, 'invalid_json'],
    [`{${order},"name":"${'x'.repeat(70_000)}"}`, 413, 'payload_too_large'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'invalid_json'],
  ] as const) {
    const answer = await post(body);
    assert.deepEqual([answer.status, answer.body.error?.code], [status, code], String(body).slice(0, 80));
  }
});

test('whatever JSON is sent, a key comes of it or a refusal, and what is made is what was asked', async () => {
  const wild = fc.record(
    {
      tenantId: fc.oneof(fc.constantFrom('acme', 'Acme', ''), fc.jsonValue()),
      scopes: fc.oneof(fc.constantFrom(['read'], ['read', 'read'], []), fc.jsonValue()),
      name: fc.oneof(fc.string(), fc.jsonValue()),
      agentId: fc.oneof(fc.constantFrom('main', 'proxy'), fc.jsonValue()),
      expiresAt: fc.oneof(fc.constantFrom(2 ** 42, -1, '2999-01-01'), fc.double(), fc.jsonValue()),
      headers: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
    },
    { requiredKeys: ['tenantId', 'scopes'] },
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(wild, fc.jsonValue()), async (asked) => {
      const { status, body } = await post(JSON.stringify(asked));
      assert.ok([201, 400, 413].includes(status), `${status} ${JSON.stringify(asked)}`);
      if (status === 201) assert.equal(body.tenantId, (asked as { tenantId: string }).tenantId);
      else assert.ok(body.error.message.length > 0);
    }),
    { seed, numRuns: 300 },
  );
});
