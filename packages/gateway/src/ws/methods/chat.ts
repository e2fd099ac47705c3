/** Methods about what was said in a session: its history, a note put into it, and what a chat window asks when it opens. */
import type { ChatHistoryParams, ChatInjectParams } from '@openclaw/gateway-protocol';
import type { Caller } from '../../domain/caller.ts';
import type { GatewayConfig } from '../../domain/config.ts';
import type { Target } from '../../domain/provider.ts';
import { keptText } from '../../sessions/kept-text.ts';
import type { HistoryQuestion, TranscriptPage } from '../../sessions/reading.ts';
import type { NewMessage, Session, SessionUsage, TranscriptMessage } from '../../sessions/session.ts';
import { sessionKeyOf } from '../session-keys.ts';
import type { SessionRows } from '../session-rows.ts';
import { wireMessage } from '../session-shapes.ts';
import { modelsOf } from './agents.ts';
import { type Method, method } from './method.ts';
import { READ_SESSIONS, READ_TEXTS } from './sessions.ts';

const LIMIT_DEFAULT = 200;
/** One answer is no longer than this, whatever was asked for. */
const BYTES_MAX = 6 * 1024 * 1024;

export interface ChatMethodsDeps {
  config: () => Pick<GatewayConfig, 'agents' | 'sessions'>;
  catalogue: { listed(): Target[] };
  rows: SessionRows;
  sessions: {
    open(tenantId: string, sessionKey: string): Session | Promise<Session>;
    history(tenantId: string, sessionKey: string, question: HistoryQuestion): Promise<TranscriptPage | null>;
    usageOfRuns(tenantId: string, runIds: readonly string[]): Promise<ReadonlyMap<string, SessionUsage>>;
  };
  turns: { live(tenantId: string, sessionKey: string): { runId: string; startedAt: number | null }[] };
  /** Puts a message into a session and tells those who follow it. */
  inject(session: Session, message: NewMessage): Promise<{ messageId: string }>;
}

type HistoryParams = Pick<
  ChatHistoryParams,
  'sessionKey' | 'agentId' | 'limit' | 'offset' | 'maxChars' | 'sessionId'
> & {
  maxBytes?: number;
};

export function chatMethods(deps: ChatMethodsDeps): Method[] {
  const metadata = () => ({ models: modelsOf(deps.config(), deps.catalogue.listed()), commands: [] });
  return [
    method<HistoryParams>({
      name: 'chat.history',
      ...READ_TEXTS,
      schema: 'ChatHistoryParams',
      extra: { maxBytes: { type: 'integer', minimum: 1 } },
      run: (params, { caller }) => history(params, caller, deps),
    }),
    method<HistoryParams>({
      name: 'chat.startup',
      ...READ_TEXTS,
      schema: 'ChatHistoryParams',
      extra: { maxBytes: { type: 'integer', minimum: 1 } },
      run: async (params, { caller }) => ({ ...(await history(params, caller, deps)), metadata: metadata() }),
    }),
    method({ name: 'chat.metadata', ...READ_SESSIONS, schema: 'ChatMetadataParams', run: metadata }),
    method<ChatInjectParams>({
      name: 'chat.inject',
      scope: 'operator.admin',
      keyScopes: ['admin'],
      schema: 'ChatInjectParams',
      run: async ({ sessionKey: key, agentId, message, label }, { caller }) => {
        const sessionKey = sessionKeyOf({ key, agentId }, caller, deps.config().agents);
        const session = await deps.sessions.open(caller.tenantId, sessionKey);
        const text = label === undefined || label === '' ? message : `[${label}]\n\n${message}`;
        const { messageId } = await deps.inject(session, {
          role: 'assistant',
          ...keptText(text, deps.config().sessions.messageBytesMax),
          kind: 'inject',
          stopReason: 'stop',
        });
        return { ok: true, messageId };
      },
    }),
  ];
}

async function history(
  { sessionKey: given, agentId, limit = LIMIT_DEFAULT, offset = 0, maxChars, maxBytes = BYTES_MAX }: HistoryParams,
  caller: Caller,
  { config, sessions, rows, turns }: ChatMethodsDeps,
): Promise<Record<string, unknown>> {
  const { tenantId } = caller;
  const sessionKey = sessionKeyOf({ key: given, agentId }, caller, config().agents);
  const charsMax = 4 * BYTES_MAX;
  const newest = await sessions.history(tenantId, sessionKey, { limit: offset === 0 ? limit : 1, charsMax });
  const last = newest?.session.messages ?? 0;
  const page =
    offset === 0 || newest === null
      ? newest
      : await sessions.history(tenantId, sessionKey, { limit, charsMax, before: last + 1 - offset });
  const messages = page?.messages ?? [];
  const usage = await sessions.usageOfRuns(tenantId, [...new Set(messages.flatMap(({ runId }) => runId ?? []))]);
  const shown = within(messages, usage, { maxChars, bytesMax: Math.min(maxBytes, BYTES_MAX) });
  const hasMore = (page?.hasMore ?? false) || shown.length < messages.length;
  const [running] = turns.live(tenantId, sessionKey);
  return {
    sessionKey,
    ...(page === null ? {} : { sessionId: page.session.sessionId }),
    messages: shown,
    pendingInputs: { items: [], total: 0 },
    hasMore,
    ...(hasMore ? { nextOffset: offset + shown.length } : {}),
    totalMessages: last,
    defaults: rows.defaults(),
    ...(page === null ? {} : { sessionInfo: await rows.of(tenantId, sessionKey) }),
    thinkingLevel: 'off',
    ...(running === undefined ? {} : { inFlightRun: running }),
  };
}

/** The last of them, as many as fit; at least the very last. */
function within(
  messages: readonly TranscriptMessage[],
  usage: ReadonlyMap<string, SessionUsage>,
  { maxChars, bytesMax }: { maxChars: number | undefined; bytesMax: number },
): object[] {
  const shown: object[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    const isCut = maxChars !== undefined && message.text.length > maxChars;
    const own = isCut ? { ...message, text: `${message.text.slice(0, maxChars)}…`, truncated: true as const } : message;
    bytes += Buffer.byteLength(own.text) + 300;
    if (bytes > bytesMax && shown.length > 0) break;
    shown.unshift(wireMessage(own, message.runId === null ? null : (usage.get(message.runId) ?? null)));
  }
  return shown;
}
