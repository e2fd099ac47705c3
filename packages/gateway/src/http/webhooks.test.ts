/** Webhooks over HTTP: made under the strict rule, told without what is secret, each tenant's its own; whatever is sent, a refusal at most. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CreatedWebhook, List, WebhookInfo } from '@weighbridge/protocol';
import { signingKey } from '@weighbridge/protocol/webhook';
import fc from 'fast-check';
import { seed } from '../../../../test/quotas.ts';
import { BEARER, Door } from './door.fixture.ts';

const door = new Door();
before(() => door.open({ everything: true }));
after(() => door.close());

const URL_OK = 'https://hooks.example.com/in?token=the-query-nobody-lists';

interface Answer {
  status: number;
  text: string;
  body: CreatedWebhook & { error: { code: string; message: string; param: string | null } };
}

async function ask(
  method: string,
  path: string,
  asked?: unknown,
  headers: Record<string, string> = BEARER,
): Promise<Answer> {
  const sent = asked === undefined ? {} : { body: typeof asked === 'string' ? asked : JSON.stringify(asked) };
  const answer = await fetch(`${door.base}/api/v1/webhooks${path}`, { method, headers, ...sent });
  const text = await answer.text();
  return { status: answer.status, text, body: JSON.parse(text) as Answer['body'] };
}

const listed = async (headers: Record<string, string> = BEARER): Promise<WebhookInfo[]> =>
  ((await ask('GET', '', undefined, headers)).body as unknown as List<WebhookInfo>).data;

async function adminOf(tenantId: string): Promise<Record<string, string>> {
  const { text } = await door.keys.create({
    tenantId,
    scopes: ['admin'],
    name: '',
    agentId: null,
    expiresAt: null,
    forced: { attribution: {}, outbound: {} },
    createdBy: null,
  });
  return { authorization: `Bearer ${text}` };
}

test('an endpoint’s secret is told in the answer to its making and never again, nor its token or its query', async () => {
  const made = await ask('POST', '', {
    url: URL_OK,
    token: 'the-token-nobody-lists',
    events: ['model.usage'],
    filter: { model: 'm' },
  });
  assert.equal(made.status, 201);
  const { secret, ...facts } = made.body;
  assert.ok(signingKey(secret) !== null);
  assert.equal(facts.url, 'https://hooks.example.com/in?…');
  assert.deepEqual([facts.state, facts.secrets, facts.hasToken, facts.origin], ['active', 1, true, 'stored']);
  const texts = [
    made.text.replace(secret, ''),
    JSON.stringify(await listed()),
    (await ask('GET', `/${facts.id}`)).text,
    (await ask('POST', `/${facts.id}/disable`)).text,
    (await ask('POST', `/${facts.id}/enable`)).text,
    (await ask('POST', `/${facts.id}/replay`, { fromSeq: 1 })).text,
    (await ask('GET', `/${facts.id}/deliveries`)).text,
  ];
  for (const text of texts) {
    for (const hidden of [secret, 'the-token-nobody-lists', 'the-query-nobody-lists'])
      assert.ok(!text.includes(hidden));
  }
  const rotated = await ask('POST', `/${facts.id}/rotate`, { overlapMs: 60_000 });
  assert.notEqual(rotated.body.secret, secret);
  assert.equal(rotated.body.secrets, 2, 'the old one goes on signing');
  assert.equal((await ask('POST', `/${facts.id}/rotate`, { overlapMs: 0 })).body.secrets, 1);
  assert.equal((await ask('DELETE', `/${facts.id}`)).status, 200);
  assert.equal((await ask('GET', `/${facts.id}`)).status, 404);
});

test('a disabled endpoint says since when and why, and is enabled again', async () => {
  const { id } = (await ask('POST', '', { url: URL_OK })).body;
  const off = (await ask('POST', `/${id}/disable`)).body;
  assert.deepEqual([off.state, off.disabledReason], ['disabled', 'somebody disabled it']);
  assert.ok(off.disabledAt !== null);
  const on = (await ask('POST', `/${id}/enable`)).body;
  assert.deepEqual([on.state, on.disabledAt, on.disabledReason], ['active', null, null]);
});

test('only public https addresses are taken, and a refusal does not repeat what was sent', async () => {
  const refused = [
    'http://hooks.example.com/secret-part',
    'https://127.0.0.1/secret-part',
    'https://10.0.0.7/secret-part',
    'https://[::1]/secret-part',
    'https://2130706433/secret-part',
    'https://localhost/secret-part',
    'https://metadata.google.internal/secret-part',
    'https://hooks.example.com:8443/secret-part',
    'https://user:secret-part@hooks.example.com/',
    'secret-part',
    '',
    7,
    undefined,
  ];
  for (const url of refused) {
    const { status, body, text } = await ask('POST', '', { url });
    assert.equal(status, 400, String(url));
    assert.deepEqual([body.error.code, body.error.param], ['invalid_request', 'url']);
    assert.ok(!text.includes('secret-part'), text);
  }
  const { text, status } = await ask('POST', '', { url: URL_OK, allowPrivate: true });
  assert.equal(status, 400, 'nobody opens private networks from here');
  assert.match(text, /allowPrivate/);
});

test('a key makes and sees endpoints of its own tenant only; those of others and the operator’s are not there', async () => {
  const [acme, other] = [await adminOf('acme'), await adminOf('other')];
  const made = (await ask('POST', '', { url: URL_OK }, acme)).body;
  assert.equal(made.tenantId, 'acme');
  assert.equal((await ask('POST', '', { url: URL_OK, tenantId: 'other' }, acme)).status, 403);
  const everybodys = (await ask('POST', '', { url: URL_OK })).body;
  const acmes = (await ask('POST', '', { url: URL_OK, tenantId: 'acme' })).body;
  assert.equal(everybodys.tenantId, null);
  assert.deepEqual((await listed(acme)).map(({ id }) => id).toSorted(), [made.id, acmes.id].toSorted());
  assert.deepEqual(await listed(other), []);
  for (const [method, action, body] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/enable'],
    ['POST', '/disable'],
    ['POST', '/test'],
    ['POST', '/rotate', {}],
    ['POST', '/replay', { fromSeq: 1 }],
    ['GET', '/deliveries'],
  ] as const) {
    for (const id of [made.id, everybodys.id]) {
      assert.equal((await ask(method, `/${id}${action}`, body, other)).status, 404, `${method} ${action}`);
    }
  }
});

test('a tenant has so many endpoints and no more, whoever makes them; others and those for every tenant go on', async () => {
  const crowded = await adminOf('crowded');
  for (let n = 0; n < 3; n++) assert.equal((await ask('POST', '', { url: URL_OK }, crowded)).status, 201);
  for (const [asked, headers] of [
    [{ url: URL_OK }, crowded],
    [{ url: URL_OK, tenantId: 'crowded' }, BEARER],
  ] as const) {
    const refused = await ask('POST', '', asked, headers);
    assert.equal(refused.status, 400);
    assert.match(refused.body.error.message, /3 endpoints already.*limits\.webhooksPerTenantMax/);
  }
  const others = [
    await ask('POST', '', { url: URL_OK }, await adminOf('roomy')),
    await ask('POST', '', { url: URL_OK }),
  ];
  assert.deepEqual(
    others.map(({ status }) => status),
    [201, 201],
  );
  const [first] = await listed(crowded);
  await ask('DELETE', `/${first!.id}`, undefined, crowded);
  assert.equal((await ask('POST', '', { url: URL_OK }, crowded)).status, 201);
});

test('whatever is asked, the answer is an endpoint or a refusal that says why', async () => {
  const values = fc.oneof(fc.jsonValue(), fc.constantFrom(URL_OK, 'event', ['model.usage'], { max: 5 }, true, 15_000));
  const names = fc.constantFrom(
    'url',
    'events',
    'filter',
    'format',
    'token',
    'tokenHeader',
    'timeoutMs',
    'retry',
    'concurrency',
    'ordered',
    'batch',
    'secret',
    '__proto__',
  );
  const objects = fc.uniqueArray(fc.tuple(names, values), { selector: ([name]) => name, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        objects.map((entries) => Object.fromEntries(entries)),
        fc.jsonValue(),
      ),
      async (asked) => {
        const { status, body } = await ask('POST', '', asked);
        assert.ok(status === 201 || (status === 400 && typeof body.error.message === 'string'), `${status}`);
        if (status === 201) await ask('DELETE', `/${body.id}`);
      },
    ),
    { seed, numRuns: 60 },
  );
});

test('a replay names one beginning', async () => {
  const { id } = (await ask('POST', '', { url: URL_OK })).body;
  for (const asked of [
    {},
    { fromSeq: 1, dead: true },
    { fromSeq: 0 },
    { fromSeq: 1.5 },
    { since: 'soon' },
    { dead: false },
  ]) {
    assert.equal((await ask('POST', `/${id}/replay`, asked)).status, 400, JSON.stringify(asked));
  }
  for (const asked of [{ fromSeq: 1 }, { since: '2026-01-01T00:00:00Z' }, { since: 0 }, { dead: true }]) {
    assert.equal((await ask('POST', `/${id}/replay`, asked)).status, 200, JSON.stringify(asked));
  }
});
