/** The page's door: who sees what, how one signs in, and that nobody signs in, out or acts from elsewhere. */
import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { UsageAnswer } from '@weighbridge/protocol';
import { BEARER, Door, TOKEN } from './door.fixture.ts';

const door = new Door();
before(() => door.open({ everything: true }));
after(() => door.close());

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(door.base + path, { headers, redirect: 'manual' });
}

function signIn(
  form: Record<string, string>,
  headers: Record<string, string> = { origin: door.base },
): Promise<Response> {
  const body = new URLSearchParams(form);
  return fetch(`${door.base}/models/sign-in`, { method: 'POST', headers, body, redirect: 'manual' });
}

async function readKey(scopes: ('read' | 'dispatch')[]): Promise<string> {
  const forced = { attribution: {}, outbound: {} };
  const order = { tenantId: 'acme', name: '', scopes, agentId: null, forced, createdBy: null, expiresAt: null };
  return (await door.keys.create(order)).text;
}

test('whoever is not signed in gets a form and no page, and the form asks for nothing more', async () => {
  const answer = await get('/models');
  const text = await answer.text();
  assert.equal(answer.status, 200);
  assert.match(text, /type="password"/);
  assert.doesNotMatch(text, /data-facts/);
});

test('the page may load nothing from elsewhere, run nothing inline and stand in no frame', async () => {
  const policy = (await get('/models')).headers.get('content-security-policy')!;
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
});

test('the token signs in: a cookie that scripts cannot read and other sites do not send, and then the page', async () => {
  const answer = await signIn({ credential: ` ${TOKEN}\n` });
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.get('location'), '/models');
  const cookie = answer.headers.get('set-cookie')!;
  assert.match(
    cookie,
    new RegExp(`^weighbridge-${door.port}=\\S+; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict$`),
  );
  assert.ok(!cookie.includes(TOKEN));
  const page = await (await get('/models', { cookie: cookie.split(';')[0]! })).text();
  assert.match(page, /data-facts/);
  assert.ok(!page.includes(TOKEN));
});

/** What the form takes along, as a browser reads it. */
function carried(text: string): string[] {
  const values = [...text.matchAll(/name="query" value="([^"]*)"/g)].map(([, value]) => value!);
  return values.map((value) => value.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))));
}

test('signing in leads to what was asked for: range and filters are kept, also past a wrong token and by a link', async () => {
  const asked = '?range=7d&filter=model%3A%22a%20b%22&note={{notice}}';
  const form = await (await get(`/models${asked}`)).text();
  assert.deepEqual(carried(form), [asked, asked], 'by the token, and by a link');
  const refused = await signIn({ credential: 'wrong', query: asked });
  const again = carried(await refused.text()).map((query) => [...new URLSearchParams(query)]);
  assert.deepEqual(again[0], [...new URLSearchParams(asked)]);
  const answer = await signIn({ credential: TOKEN, query: asked });
  const { pathname, searchParams } = new URL(answer.headers.get('location')!, door.base);
  assert.deepEqual([pathname, [...searchParams]], ['/models', [...new URLSearchParams(asked)]]);
});

test('whatever a form says, signing in leads to our page and nowhere else', async () => {
  const hostile = [
    'https://evil.example',
    '//evil.example/models',
    '/\\evil.example',
    '/models/sign-out',
    '/models?range=7d',
    '@evil.example',
    '.evil.example',
    'javascript:alert(1)',
    '#code=x',
    '',
    '?',
    `?x=${'y'.repeat(5000)}`,
  ];
  for (const query of hostile) {
    assert.equal((await signIn({ credential: TOKEN, query })).headers.get('location'), '/models', query);
  }
  for (const query of ['?x=1\r\nset-cookie: a=b', '?//evil.example', '?\\evil.example#code=x', '?\ud800"><script>']) {
    const answer = await signIn({ credential: TOKEN, query });
    assert.match(answer.headers.get('location')!, /^\/models\?[\w.*+%=&-]+$/, query);
    assert.equal(answer.headers.getSetCookie().length, 1);
  }
  const long = await (await get(`/models?x=${'y'.repeat(5000)}`)).text();
  assert.deepEqual(carried(long), ['', ''], 'longer than a form may be');
  const script = await (await get('/models?x="><script>')).text();
  assert.doesNotMatch(script, /"><script>[^<]/);
});

test('a read key signs in as its tenant; a key that may only call does not', async () => {
  const page = await (await get('/models', { cookie: await door.cookieOf(await readKey(['read'])) })).text();
  assert.match(page, /&#34;tenantId&#34;:&#34;acme&#34;,&#34;isAdmin&#34;:false/);
  const refused = await signIn({ credential: await readKey(['dispatch']) });
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /may call models, but not read/);
});

test('a wrong token is told so in the form, without a cookie and without being repeated', async () => {
  const answer = await signIn({ credential: '"><script>wrong' });
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get('set-cookie'), null);
  const text = await answer.text();
  assert.match(text, /not a token or key of this gateway/);
  assert.doesNotMatch(text, /wrong/);
});

test('a form of another page signs nobody in or out', async () => {
  for (const headers of [
    {},
    { origin: 'null' },
    { origin: 'https://evil.example' },
    { origin: `http://localhost:1` },
  ]) {
    assert.equal((await signIn({ credential: TOKEN }, headers as Record<string, string>)).status, 403);
    const out = await fetch(`${door.base}/models/sign-out`, {
      method: 'POST',
      headers: headers as Record<string, string>,
    });
    assert.equal(out.status, 403);
  }
});

test('behind a proxy with TLS its origin signs in, where the configuration names it, and the cookie is for TLS only', async () => {
  const answer = await signIn({ credential: TOKEN }, { origin: 'https://meter.example' });
  assert.equal(answer.status, 303);
  const [cookie, ...terms] = answer.headers.get('set-cookie')!.split('; ');
  assert.ok(terms.includes('Secure'));
  assert.match(await (await get('/models', { cookie: cookie! })).text(), /data-facts/);
  const reload = (origin: string) =>
    fetch(`${door.base}/api/v1/reload`, { method: 'POST', headers: { cookie: cookie!, origin } });
  assert.equal((await reload('https://meter.example')).status, 200);
  assert.equal((await reload('https://other.example')).status, 403);
  assert.equal((await signIn({ credential: TOKEN }, { origin: 'https://other.example' })).status, 403);
});

test('the first sums come with the page: of the tenant who signed in, and the number that events go on from', async () => {
  const factsOf = async (path: string, credential: string) => {
    const text = await (await get(path, { cookie: await door.cookieOf(credential) })).text();
    const [, facts] = /data-facts="([^"]*)"/.exec(text)!;
    return JSON.parse(facts!.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))));
  };
  // Without sums where they would have kept the page waiting.
  const factsWithSums = async (credential: string) => {
    for (;;) {
      const facts = await factsOf('/models', credential);
      if (facts.sums !== null) return facts;
    }
  };
  const { seq, sums, now } = await factsWithSums(TOKEN);
  const { totals, groupBy, from, to } = sums as UsageAnswer;
  assert.deepEqual(groupBy, ['source', 'outcome']);
  assert.ok(seq >= 0 && Date.parse(to) > now && Date.parse(from) <= now - 86_400_000);
  const asked = await get(`/api/v1/usage?from=${from}&to=${to}`, BEARER);
  assert.equal(totals.requests, ((await asked.json()) as UsageAnswer).totals.requests);
  assert.equal((await factsWithSums(await readKey(['read']))).sums.totals.requests, 0);
  assert.equal((await factsOf('/models?range=90d', TOKEN)).sums, null);
});

test('signing out takes the cookie away', async () => {
  const answer = await fetch(`${door.base}/models/sign-out`, {
    method: 'POST',
    headers: { origin: door.base },
    redirect: 'manual',
  });
  assert.equal(answer.status, 303);
  assert.match(answer.headers.get('set-cookie')!, /^weighbridge-\d+=; Path=\/; Max-Age=0; HttpOnly/);
});

test('a cookie counts for our own page only: not from another port of this machine, and no change without an origin', async () => {
  const cookie = await door.cookieOf(TOKEN);
  const stop = (headers: Record<string, string>) =>
    fetch(`${door.base}/api/v1/reload`, { method: 'POST', headers: { cookie, ...headers } }).then(
      ({ status }) => status,
    );
  assert.equal(await stop({ origin: door.base }), 200);
  assert.equal(await stop({}), 403);
  assert.equal(await stop({ origin: 'http://localhost:3000' }), 403);
  assert.equal(await stop({ origin: door.base, 'sec-fetch-site': 'same-site' }), 403);
  assert.equal((await get('/api/v1/runs', { cookie })).status, 200);
  assert.equal((await get('/api/v1/runs', { cookie, 'sec-fetch-site': 'same-site' })).status, 403);
});

test('a credential that is presented decides: a cookie beside a wrong token does not make it good', async () => {
  const cookie = await door.cookieOf(TOKEN);
  assert.equal((await get('/api/v1/runs', { cookie, authorization: 'Bearer wrong' })).status, 401);
});

test('a cookie calls no model', async () => {
  const answer = await door.chat({ headers: { cookie: await door.cookieOf(TOKEN), origin: door.base } });
  assert.equal(answer.status, 403);
});

test('a link signs in once, and says its code to no server before that', async () => {
  const made = await fetch(`${door.base}/api/v1/sign-in-links`, { method: 'POST', headers: BEARER });
  assert.equal(made.status, 201);
  const { url } = (await made.json()) as { url: string };
  const { origin, pathname, search, hash } = new URL(url);
  assert.deepEqual([origin, pathname, search], [door.base, '/models', '']);
  const code = hash.replace('#code=', '');
  assert.equal((await signIn({ code })).status, 303);
  const again = await signIn({ code });
  assert.equal(again.status, 400);
  assert.match(await again.text(), /was used, or is too old/);
});

test('a link is for the address under which it was asked for: behind a proxy with TLS that is the proxy’s', async () => {
  for (const [host, origin] of [
    ['meter.example', 'https://meter.example'],
    ['localhost:18760', 'http://localhost:18760'],
  ] as const) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: 'POST', headers: { ...BEARER, host } };
      request(`${door.base}/api/v1/sign-in-links`, options, resolve).on('error', reject).end();
    });
    const { url } = JSON.parse(await text(answer)) as { url: string };
    assert.equal(new URL(url).origin, origin);
  }
});

test('who follows a link from another site is asked to ask again, because a strict cookie does not come along', async () => {
  const answer = await get('/models?range=7d', { 'sec-fetch-site': 'cross-site' });
  assert.match(await answer.text(), /http-equiv="refresh" content="0; url=\/models\?range=7d"/);
});

test('a browser at / is led to the page, a program reads what there is', async () => {
  const browser = await get('/', { accept: 'text/html,application/xhtml+xml' });
  assert.equal(browser.headers.get('location'), '/models');
  assert.match(await (await get('/')).text(), /^Weighbridge /);
});

test('what was built is served with its type, compressed and for good; nothing else is', async () => {
  const page = await (await get('/models', { cookie: await door.cookieOf(TOKEN) })).text();
  const [, script] = /src="(\/models\/assets\/[^"]+\.js)"/.exec(page)!;
  const answer = await get(script!, { 'accept-encoding': 'gzip' });
  assert.equal(answer.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.equal(answer.headers.get('content-encoding'), 'gzip');
  assert.match(answer.headers.get('cache-control')!, /immutable/);
  for (const path of ['/models/assets/../index.html', '/models/assets/%2e%2e%2findex.html', '/models/assets/x.js']) {
    assert.equal((await get(path)).status, 404);
  }
});
