/**
 * The request side of `openai-completions`: the caller's bytes with at most three edits (model, `stream_options`, a
 * leading system message). Nothing is re-serialised, so a field we have never heard of arrives as it was written.
 */
import { type Edit, findMember, type ObjectScan, scanObject, splice } from '../lib/json-splice.ts';
import type { EncodePlan } from './dialect.ts';

const MODEL = Buffer.from('"model":');
const TRUE = Buffer.from('true');
const COMMA = Buffer.from(',');
const INCLUDE_USAGE = Buffer.from('"include_usage":true');
const STREAM_OPTIONS = Buffer.from('{"include_usage":true}');
const STREAM_OPTIONS_MEMBER = Buffer.from('"stream_options":{"include_usage":true}');
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;

export function leadingMessage(instructions: string): Buffer {
  return Buffer.from(JSON.stringify({ role: 'system', content: instructions }));
}

export function encodeChat(body: Buffer, scan: ObjectScan, plan: EncodePlan): Buffer {
  const edits: Edit[] = [];
  if (plan.askUsage) askUsage(body, scan, edits);
  const model = Buffer.from(JSON.stringify(plan.model));
  const given = findMember(scan, 'model');
  if (given !== null) edits.push({ start: given.start, end: given.end, bytes: model });
  else edits.push(newMember(scan, Buffer.concat([MODEL, model])));
  if (plan.leading !== null) lead(body, scan, plan.leading, edits);
  return splice(body, edits);
}

/** The caller's bytes, with the question for usage and no other edit. */
export function askForUsage(body: Buffer, scan: ObjectScan): Buffer {
  const edits: Edit[] = [];
  askUsage(body, scan, edits);
  return splice(body, edits);
}

function askUsage(body: Buffer, scan: ObjectScan, edits: Edit[]): void {
  const options = findMember(scan, 'stream_options');
  if (options === null) {
    edits.push(newMember(scan, STREAM_OPTIONS_MEMBER));
    return;
  }
  if (body[options.start] !== OPEN_BRACE) {
    // `null` is an absent value; anything else is the caller's mistake and the provider's to name.
    if (body.toString('latin1', options.start, options.end) === 'null') {
      edits.push({ start: options.start, end: options.end, bytes: STREAM_OPTIONS });
    }
    return;
  }
  const inner = scanObject(body, options.start);
  if (typeof inner === 'string') return;
  const asked = inner.members.filter(({ key }) => key === 'include_usage');
  for (const { start, end } of asked) edits.push({ start, end, bytes: TRUE });
  if (asked.length === 0) edits.push(newMember(inner, INCLUDE_USAGE));
}

function lead(body: Buffer, scan: ObjectScan, message: Buffer, edits: Edit[]): void {
  const messages = findMember(scan, 'messages');
  if (messages === null || body[messages.start] !== OPEN_BRACKET) return;
  const at = messages.start + 1;
  let next = at;
  while (body[next]! <= 0x20) next++;
  edits.push({ start: at, end: at, bytes: body[next] === CLOSE_BRACKET ? message : Buffer.concat([message, COMMA]) });
}

/** An insertion as the object's first member. */
function newMember(scan: ObjectScan, member: Buffer): Edit {
  const bytes = scan.members.length > 0 ? Buffer.concat([member, COMMA]) : member;
  return { start: scan.insertAt, end: scan.insertAt, bytes };
}
