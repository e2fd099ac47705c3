/**
 * The page at /models, and how a browser signs in to it. The server chooses what somebody sees: who is not signed in gets a
 * form and nothing that asks for more. Everything the page shows it asks over the API with its cookie; nothing secret is in
 * a URL, a script or the page itself.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type UsageAnswer, WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from '../access/authenticate.ts';
import { cookieName, SIGN_IN_MS, signInCookie } from '../access/sign-in.ts';
import { type Caller, isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import { type OwnNames, originOf } from '../domain/own-origin.ts';
import { usageAnswer } from '../ledger/usage-answer.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { bodyOf } from './body.ts';
import type { FeedDeps } from './feed.ts';
import type { ModelsDeps } from './models.ts';
import { type PageFiles, readPage } from './page-files.ts';
import { callerOf, refuseForeignOrigin } from './policy.ts';
import { SIGN_IN_LINK } from './schemas.ts';

const FORM_BYTES_MAX = 16 * 1024;
/** Of an address that outlives the form: in the form each character may be three, and beside it stands a credential. */
const QUERY_CHARS_MAX = 4_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** So long the page waits for its first sums; then it asks for them itself. */
const FIRST_SUMS_MS = 40;

/** Nothing from anywhere but here, no inline script, in nobody's frame. */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  // Without a referrer a form's origin would be `null`, and the sign-in is refused for foreign ones.
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

const NOT_BUILT = `<!doctype html><html lang="en"><title>Weighbridge</title><h1>The page was not built</h1>
<p>Weighbridge runs and meters; only this page is missing. Run <code>npm run build:page</code> in its folder (<code>npm ci</code>
does it too) and load this again.</p></html>`;

export interface PageDeps {
  access: Pick<Access, 'authenticate' | 'signIns'>;
  ownNames: () => OwnNames;
  store: Store;
  events: Pick<FeedDeps['events'], 'lastSeq'>;
  clock: Clock;
  /** Where the built files are. */
  folder: string;
  /** What somebody may try first. */
  catalogue: ModelsDeps['catalogue'];
}

export function page(app: FastifyInstance, deps: PageDeps): void {
  const open = { config: { scope: 'open' as const }, schema: { hide: true } };
  let files: PageFiles | null = null;
  const built = (): PageFiles | null => {
    files ??= readPage(deps.folder);
    return files;
  };

  app.get<{ Querystring: Record<string, unknown> }>('/models', open, async (request, reply) => {
    const found = built();
    reply.headers(PAGE_HEADERS);
    if (found === null) return reply.code(503).send(NOT_BUILT);
    // A name that now points here must not read what is open to all; with a sign-in its cookie would be missing.
    const names = deps.ownNames();
    if (names.isOpenToAll) refuseForeignOrigin(request, names);
    const caller = await signedIn(request, deps);
    if (caller === null) {
      return cameFromElsewhere(request) ? bounce(request.url) : signInForm(found, '', queryOf(request.url));
    }
    // The number first: the page follows every event after it. And while an answer can still say that it failed.
    const seq = await deps.events.lastSeq();
    return reply.send(Readable.from(pageParts(found, () => factsFor(caller, seq, isOfToday(request.query), deps))));
  });

  app.get<{ Params: { name: string } }>('/models/assets/:name', open, (request, reply) => {
    const file = built()?.assets.get(request.params.name);
    if (file === undefined) throw new GatewayError('not_found', 'There is no such file.');
    const isCompressed = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    reply.headers({
      'content-type': file.type,
      'cache-control': 'public, max-age=31536000, immutable',
      'cross-origin-resource-policy': 'same-origin',
      vary: 'accept-encoding',
      ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
    });
    return reply.send(isCompressed ? file.gzip : file.bytes);
  });

  app.post('/models/sign-in', open, async (request, reply) => {
    refuseOtherPages(request, deps);
    const form = new URLSearchParams((await bodyOf(request, FORM_BYTES_MAX)).toString());
    const caller = await whoSignsIn(form, request, deps);
    const query = pageQuery(form.get('query') ?? '');
    if ('refused' in caller) {
      const found = built();
      return reply
        .code(400)
        .headers(PAGE_HEADERS)
        .send(found === null ? NOT_BUILT : signInForm(found, caller.refused, query));
    }
    setCookie(request, reply, await deps.access.signIns.cookieFor(caller), SIGN_IN_MS);
    return reply.redirect(`/models${query}`, 303);
  });

  app.post('/models/sign-out', open, (request, reply) => {
    refuseOtherPages(request, deps);
    setCookie(request, reply, '', 0);
    return reply.redirect('/models', 303);
  });

  app.post('/api/v1/sign-in-links', { config: { scope: 'read' }, schema: SIGN_IN_LINK }, (request, reply) => {
    const { code, expiresAt } = deps.access.signIns.linkFor(callerOf(request));
    reply.code(201);
    // Behind `#`: it is sent to no server, and stands in no log.
    const url = `${originOf(request.headers.host ?? '', deps.ownNames())}/models#code=${code}`;
    return { object: 'sign_in_link', url, expiresAt: new Date(expiresAt).toISOString() };
  });
}

/** Who has the page open; null: nobody we know. Without authentication everybody is the operator. */
async function signedIn(request: FastifyRequest, { access }: PageDeps): Promise<Caller | null> {
  const { cookie, host } = request.headers;
  if (access.signIns.needed && signInCookie({ cookie, host }) === null) return null;
  try {
    const caller = await access.authenticate({ cookie, host }, request.socket.remoteAddress ?? 'unknown');
    return caller.scopes.has('read') ? caller : null;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'unauthorized') return null;
    throw error;
  }
}

/** By a link of another site: a browser then leaves a strict cookie at home, and brings it when the page asks again itself. */
function cameFromElsewhere({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

function bounce(url: string): string {
  return `<!doctype html><html lang="en"><title>Weighbridge</title><meta http-equiv="refresh" content="0; url=${escaped(url)}"></html>`;
}

async function whoSignsIn(
  form: URLSearchParams,
  request: FastifyRequest,
  { access }: PageDeps,
): Promise<Caller | { refused: string }> {
  const code = form.get('code');
  if (code !== null) {
    return (
      (await access.signIns.callerOfLink(code)) ?? { refused: 'This link was used, or is too old. Ask for another.' }
    );
  }
  try {
    const credential = (form.get('credential') ?? '').trim();
    const caller = await access.authenticate(
      { 'x-weighbridge-key': credential },
      request.socket.remoteAddress ?? 'unknown',
    );
    return caller.scopes.has('read') ? caller : { refused: 'This key may call models, but not read what was called.' };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { refused: error.code === 'unauthorized' ? 'That is not a token or key of this gateway.' : error.message };
  }
}

/** A page elsewhere must not sign anybody in or out: its form would carry its own origin, or none. */
function refuseOtherPages(request: FastifyRequest, { ownNames }: PageDeps): void {
  refuseForeignOrigin(request, ownNames());
  if (request.headers.origin !== undefined) return;
  throw new GatewayError('forbidden', 'Only the gateway’s own page may sign somebody in or out.');
}

function setCookie(request: FastifyRequest, reply: FastifyReply, value: string, forMs: number): void {
  const isSecure = request.headers.origin?.startsWith('https:') ?? false;
  const { host } = request.headers;
  reply.header('cache-control', 'no-store');
  reply.header(
    'set-cookie',
    `${cookieName(host)}=${value}; Path=/; Max-Age=${Math.floor(forMs / 1000)}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`,
  );
}

/** The head goes out at once, so that a browser gets scripts and styles while the ledger is asked. */
async function* pageParts({ page: [before, after] }: PageFiles, facts: () => Promise<object>): AsyncGenerator<string> {
  yield before;
  yield escaped(JSON.stringify(await facts())) + after;
}

/** What the page must know before it asks anything; for the page alone, no API. */
async function factsFor(caller: Caller, seq: number, wantsSums: boolean, deps: PageDeps): Promise<object> {
  const { access, catalogue, clock } = deps;
  const [first] = catalogue.listed();
  const tenantId = isOperator(caller) ? null : caller.tenantId;
  return {
    version: WEIGHBRIDGE_VERSION,
    tenantId,
    isAdmin: caller.scopes.has('admin'),
    canSignOut: access.signIns.needed,
    model: first === undefined ? null : `${first.provider.id}/${first.model}`,
    seq,
    sums: wantsSums ? await firstSums(deps, tenantId) : null,
    now: clock.now(),
  };
}

/** Whether the address asks for the last 24 hours of everything. */
function isOfToday(query: Readonly<Record<string, unknown>>): boolean {
  return ['range', 'filter', 'tab'].every((name) => query[name] === undefined);
}

/** What the page shows first, in the same answer as the page. Null where it would keep the page waiting. */
async function firstSums({ store, clock }: PageDeps, tenantId: string | null): Promise<UsageAnswer | null> {
  const now = clock.now();
  const period = { fromMs: now - DAY_MS, toMs: now + 1 };
  const asked = usageAnswer(store, { tenantId, ...period, groupBy: ['source', 'outcome'], latency: true, filters: {} });
  asked.catch(() => {});
  return Promise.race([asked, sleep(FIRST_SUMS_MS, null, { ref: false })]).catch(() => null);
}

/** In one pass: what stands in one place is not looked through for another. */
function signInForm({ signIn }: PageFiles, notice: string, query: string): string {
  const said: Readonly<Record<string, string>> = { notice, query };
  return signIn.replace(/\{\{(notice|query)\}\}/g, (_all, name: string) => escaped(said[name]!));
}

/** What is looked at (range, filters), so that whoever signs in sees it then; the path is ours, whatever was asked. */
function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 || url.length - at > QUERY_CHARS_MAX ? '' : url.slice(at);
}

/** Of a form, which anybody can have filled in: only ever the query of our own page, written anew. */
function pageQuery(sent: string): string {
  const query = sent.startsWith('?') ? new URLSearchParams(sent).toString() : '';
  return query === '' || query.length >= QUERY_CHARS_MAX ? '' : `?${query}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
