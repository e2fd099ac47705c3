/** Methods that ask about sessions, or to be told of them. Nothing is changed here. */
import type {
  SessionsDescribeParams,
  SessionsListParams,
  SessionsMessagesSubscribeParams,
  SessionsPreviewParams,
  SessionsResolveParams,
} from '@openclaw/gateway-protocol';
import type { Caller } from '../../domain/caller.ts';
import type { GatewayConfig } from '../../domain/config.ts';
import { agentOfKey } from '../../sessions/keys.ts';
import type { HistoryQuestion, SessionsQuestion, TranscriptPage } from '../../sessions/reading.ts';
import type { SessionView } from '../../sessions/session.ts';
import { mayHearTexts, TEXT_SCOPES } from '../scopes.ts';
import { sessionKeyOf } from '../session-keys.ts';
import { type SessionRows, STORE_PATH } from '../session-rows.ts';
import { invalid } from '../wire-errors.ts';
import { type Method, method } from './method.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const PREVIEW_KEYS_MAX = 100;
const PREVIEW_CHARACTERS = 240;
/** Of one preview, as it is kept. */
const PREVIEW_CHARS_MAX = 65_536;
/** Sessions of one connection whose messages it may follow. */
const FOLLOWED_MAX = 1_000;
/** Rows of one page whose last message is looked up. */
const LAST_MESSAGES_MAX = 50;
const MINUTE_MS = 60_000;

export interface SessionMethodsDeps {
  config: () => Pick<GatewayConfig, 'agents'>;
  rows: SessionRows;
  now: () => number;
  sessions: {
    list(question: SessionsQuestion): Promise<{ sessions: SessionView[]; total: number; hasMore: boolean }>;
    history(tenantId: string, sessionKey: string, question: HistoryQuestion): Promise<TranscriptPage | null>;
  };
}

/** That there is a session, and what it used. */
export const READ_SESSIONS = { scope: 'operator.read', keyScopes: ['read', 'dispatch'] } as const;
/**
 * What was said in it. Whoever may run turns in a session could have the model repeat it, so reading it is no more; who may
 * only read what was used learns no word of it.
 */
export const READ_TEXTS = { scope: 'operator.read', keyScopes: TEXT_SCOPES } as const;

export function sessionMethods(deps: SessionMethodsDeps): Method[] {
  const { rows, config } = deps;
  const keyOf = (key: string, caller: Caller, agentId?: string): string =>
    sessionKeyOf({ key, agentId }, caller, config().agents);
  return [
    method<SessionsListParams>({
      name: 'sessions.list',
      ...READ_SESSIONS,
      schema: 'SessionsListParams',
      run: (params, { caller }) => listed(params, caller, deps),
    }),
    method<SessionsListParams>({
      name: 'sessions.subscribe',
      ...READ_SESSIONS,
      schema: 'SessionsListParams',
      run: async (params, { caller, peer }) => {
        peer.followsSessions = true;
        if (Object.keys(params).length === 0) return { subscribed: true };
        return { subscribed: true, list: await listed(params, caller, deps) };
      },
    }),
    method({
      name: 'sessions.unsubscribe',
      ...READ_SESSIONS,
      schema: null,
      run: (_params, { peer }) => {
        peer.followsSessions = false;
        return { subscribed: false };
      },
    }),
    method<SessionsMessagesSubscribeParams>({
      name: 'sessions.messages.subscribe',
      ...READ_TEXTS,
      schema: 'SessionsMessagesSubscribeParams',
      run: ({ key: given, agentId }, { caller, peer }) => {
        const key = keyOf(given, caller, agentId);
        if (peer.followedKeys.size >= FOLLOWED_MAX) throw invalid(`more than ${FOLLOWED_MAX} sessions are followed`);
        peer.followedKeys.add(key);
        return { subscribed: true, key };
      },
    }),
    method<{ key: string; agentId?: string }>({
      name: 'sessions.messages.unsubscribe',
      ...READ_SESSIONS,
      schema: 'SessionsMessagesUnsubscribeParams',
      run: ({ key: given, agentId }, { caller, peer }) => {
        const key = keyOf(given, caller, agentId);
        peer.followedKeys.delete(key);
        return { subscribed: false, key };
      },
    }),
    method<SessionsDescribeParams>({
      name: 'sessions.describe',
      ...READ_SESSIONS,
      schema: 'SessionsDescribeParams',
      run: async ({ key }, { caller }) => ({ session: await rows.of(caller.tenantId, keyOf(key, caller)) }),
    }),
    method<SessionsResolveParams>({
      name: 'sessions.resolve',
      ...READ_SESSIONS,
      schema: 'SessionsResolveParams',
      run: (params, { caller }) => resolved(params, caller, deps),
    }),
    method<SessionsPreviewParams>({
      name: 'sessions.preview',
      ...READ_TEXTS,
      schema: 'SessionsPreviewParams',
      run: async ({ keys, limit = 10, maxChars = PREVIEW_CHARACTERS }, { caller }) => {
        if (keys.length > PREVIEW_KEYS_MAX) throw invalid(`more than ${PREVIEW_KEYS_MAX} keys; ask for fewer at once`);
        const previews = keys.map((key) =>
          preview(key, keyOf(key, caller), caller.tenantId, deps, { limit, maxChars }),
        );
        return { ts: deps.now(), previews: await Promise.all(previews) };
      },
    }),
  ];
}

async function listed(params: SessionsListParams, caller: Caller, deps: SessionMethodsDeps): Promise<object> {
  const { limit = LIMIT_DEFAULT, offset = 0, activeMinutes, search, label, archived = false } = params;
  const applied = Math.min(limit, LIMIT_MAX);
  const agentId = caller.terms?.agentId ?? params.agentId?.toLowerCase();
  const now = deps.now();
  const page = await deps.sessions.list({
    tenantId: caller.tenantId,
    limit: applied,
    offset,
    ...(agentId === undefined ? {} : { agentId }),
    ...(label === undefined ? {} : { label }),
    ...(search === undefined ? {} : { search: search.trim() }),
    ...(activeMinutes === undefined ? {} : { changedAfter: now - activeMinutes * MINUTE_MS }),
  });
  const shown = page.sessions.filter(
    ({ overrides }) => archived === 'all' || (overrides.archived === true) === archived,
  );
  const rows = shown.map((view) => deps.rows.row(view));
  if (params.includeLastMessage && mayHearTexts(caller)) await addLastMessages(rows, shown, deps);
  return {
    ts: now,
    path: STORE_PATH,
    count: rows.length,
    totalCount: page.total,
    limitApplied: applied,
    nextOffset: page.hasMore ? offset + applied : null,
    hasMore: page.hasMore,
    owners: [],
    defaults: deps.rows.defaults(),
    sessions: rows,
  };
}

async function addLastMessages(
  rows: Record<string, unknown>[],
  views: readonly SessionView[],
  { sessions }: SessionMethodsDeps,
): Promise<void> {
  const some = views.slice(0, LAST_MESSAGES_MAX);
  await Promise.all(
    some.map(async ({ tenantId, sessionKey }, at) => {
      const page = await sessions.history(tenantId, sessionKey, { limit: 1 });
      const last = page?.messages.at(-1);
      if (last !== undefined) rows[at]!.lastMessagePreview = last.text.slice(0, PREVIEW_CHARACTERS);
    }),
  );
}

/** By key, by id, or by label; one that a bound key may not see is not there for it. */
async function resolved(params: SessionsResolveParams, caller: Caller, deps: SessionMethodsDeps): Promise<object> {
  const { key, sessionId, label, allowMissing = false } = params;
  const { tenantId } = caller;
  const bound = caller.terms?.agentId ?? null;
  const found =
    key !== undefined
      ? await deps.rows.of(tenantId, sessionKeyOf({ key, agentId: params.agentId }, caller, deps.config().agents))
      : await byIdOrLabel({ sessionId, label }, tenantId, deps);
  // By its key: the row of a direct call's session names an agent all the same.
  if (found !== null && (bound === null || agentOfKey(String(found.key)) === bound)) {
    return { ok: true, key: found.key, agentId: found.agentId };
  }
  if (allowMissing) return { ok: false };
  throw invalid(`No session found: ${(key ?? sessionId ?? label ?? '').slice(0, 200)}`);
}

async function byIdOrLabel(
  { sessionId, label }: { sessionId: string | undefined; label: string | undefined },
  tenantId: string,
  { sessions, rows }: SessionMethodsDeps,
): Promise<Record<string, unknown> | null> {
  if (sessionId === undefined && label === undefined) throw invalid('key, sessionId or label required');
  const which = sessionId === undefined ? { label: label! } : { sessionId };
  const page = await sessions.list({ tenantId, limit: 1, ...which });
  return page.sessions[0] === undefined ? null : rows.row(page.sessions[0]);
}

async function preview(
  asked: string,
  key: string,
  tenantId: string,
  { sessions }: SessionMethodsDeps,
  { limit, maxChars }: { limit: number; maxChars: number },
): Promise<object> {
  const page = await sessions.history(tenantId, key, { limit: Math.min(limit, 50), charsMax: PREVIEW_CHARS_MAX });
  if (page === null) return { key: asked, status: 'missing', items: [] };
  const items = page.messages.map(({ role, text }) => ({ role, text: text.slice(0, maxChars) }));
  return { key: asked, status: items.length === 0 ? 'empty' : 'ok', items };
}
