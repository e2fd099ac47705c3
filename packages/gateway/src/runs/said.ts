/**
 * What was said, in the words of each door: the text of a request's last user message, and the text of an answer as its
 * events or its body bring it. For transcripts only; nothing here is counted, and what cannot be read is left out. Pure.
 */
import type { Ask } from '../domain/answer.ts';

/** Text, and how many parts were something else. */
export interface Said {
  text: string;
  omitted: number;
}

/** A piece of an answer; `stopReason` where it says one. */
export interface Piece extends Said {
  stopReason: string | null;
}

type Fields = Record<string, unknown>;

const NOTHING: Piece = { text: '', omitted: 0, stopReason: null };

/** The asks whose calls are turns of a conversation. */
export function isConversation(ask: Ask): boolean {
  return ask === 'chat' || ask === 'responses' || ask === 'messages';
}

/** A message's content: a text, or a list of parts. */
export function saidIn(content: unknown): Said {
  if (typeof content === 'string') return { text: content, omitted: 0 };
  const parts = listOf(content);
  const texts = parts.flatMap((part) => (isText(part) ? [String(part.text)] : []));
  return { text: texts.join('\n'), omitted: parts.length - texts.length };
}

/** One event of a stream. */
export function pieceOf(ask: Ask, event: Fields): Piece {
  if (ask === 'chat') return chatPiece(event);
  if (ask === 'messages') return messagesPiece(event);
  if (event.type === 'response.output_text.delta') return { ...NOTHING, text: textOf(event.delta) };
  if (event.type !== 'response.completed') return NOTHING;
  return { ...NOTHING, stopReason: nameOf(fieldsOf(event.response).status) };
}

/** An answer that came as one body. */
export function bodyPiece(ask: Ask, body: Fields): Piece {
  if (ask === 'messages') return { ...saidIn(body.content), stopReason: nameOf(body.stop_reason) };
  if (ask === 'chat') {
    const choice = fieldsOf(listOf(body.choices)[0]);
    const message = fieldsOf(choice.message);
    const said = saidIn(message.content ?? '');
    const calls = listOf(message.tool_calls).length;
    return { text: said.text, omitted: said.omitted + calls, stopReason: nameOf(choice.finish_reason) };
  }
  const items = listOf(body.output).map((item) => (item.type === 'message' ? saidIn(item.content) : OTHER));
  return {
    text: items.map(({ text }) => text).join(''),
    omitted: items.reduce((sum, { omitted }) => sum + omitted, 0),
    stopReason: nameOf(body.status),
  };
}

const OTHER: Said = { text: '', omitted: 1 };

function chatPiece({ choices }: Fields): Piece {
  const choice = fieldsOf(listOf(choices)[0]);
  const delta = fieldsOf(choice.delta);
  // A call's arguments come in many pieces; only the first has its name.
  const calls = listOf(delta.tool_calls).filter(({ id }) => typeof id === 'string').length;
  return { text: textOf(delta.content), omitted: calls, stopReason: nameOf(choice.finish_reason) };
}

function messagesPiece({ type, delta, content_block: block }: Fields): Piece {
  if (type === 'content_block_delta') return { ...NOTHING, text: textOf(fieldsOf(delta).text) };
  if (type === 'content_block_start') return { ...NOTHING, omitted: fieldsOf(block).type === 'tool_use' ? 1 : 0 };
  if (type === 'message_delta') return { ...NOTHING, stopReason: nameOf(fieldsOf(delta).stop_reason) };
  return NOTHING;
}

function isText({ type, text }: Fields): boolean {
  return typeof text === 'string' && (type === 'text' || type === 'input_text' || type === 'output_text');
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter((element) => typeof element === 'object' && element !== null) : [];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function nameOf(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 64 ? value : null;
}
