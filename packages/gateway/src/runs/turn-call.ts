/**
 * A turn made into an ordinary call: what was said since the last reset, as much of it as may be sent, then the message, as
 * a chat completion that is streamed. From there on it is a run like any other. Pure.
 */
import type { Call } from '../domain/answer.ts';
import type { TranscriptPage } from '../sessions/reading.ts';
import type { Session, TranscriptMessage } from '../sessions/session.ts';
import type { Headers } from './attribution.ts';
import type { TurnRequest } from './turn.ts';

export interface TurnContext {
  session: Session;
  /** The end of its transcript as it was read, perhaps before the session was reset or deleted; null: it is not sent. */
  said: TranscriptPage | null;
  bytesMax: number;
}

export function callOfTurn(
  { caller, door, message, attachments = [], extraSystemPrompt }: TurnRequest,
  agentId: string,
  given: Headers,
  { session, said: page, bytesMax }: TurnContext,
): Call {
  const override = session.overrides.model;
  const headers = { ...given };
  if (headers['x-openclaw-model'] === undefined && typeof override === 'string') headers['x-openclaw-model'] = override;
  const said = [
    ...(extraSystemPrompt ? [{ role: 'system', content: extraSystemPrompt }] : []),
    ...lastOf(messagesOf(session, page), bytesMax).map(({ role, text }) => ({ role, content: text })),
    { role: 'user', content: attachments.length === 0 ? message : [{ type: 'text', text: message }, ...attachments] },
  ];
  const requestedModel = `openclaw/${agentId}`;
  return {
    caller,
    ask: 'chat',
    runKind: door === 'chat' ? 'chat.send' : door,
    body: Buffer.from(JSON.stringify({ model: requestedModel, messages: said, stream: true })),
    requestedModel,
    stream: true,
    // The ledger asks for it, and has it; nobody reads it here.
    asksUsage: false,
    user: null,
    headers,
    session,
  };
}

/** What a reset or a delete took away while it was read is not said again. */
function messagesOf({ sessionId, resetSeq }: Session, said: TranscriptPage | null): readonly TranscriptMessage[] {
  if (said === null || said.session.sessionId !== sessionId) return [];
  return said.messages.filter(({ seq }) => seq > resetSeq);
}

/** The last messages whose text is not longer than that together; marks of resets are for people. */
function lastOf(messages: readonly TranscriptMessage[], bytesMax: number): TranscriptMessage[] {
  const kept: TranscriptMessage[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    if (message.role === 'system' || message.text === '' || message.late) continue;
    bytes += Buffer.byteLength(message.text);
    if (bytes > bytesMax) break;
    kept.unshift(message);
  }
  return kept;
}
