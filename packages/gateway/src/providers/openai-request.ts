/**
 * The request side of `openai-completions`: the caller's bytes with at most three edits (model, `stream_options`, a
 * leading system message).
 */
import { findMember, type ObjectScan, scanObject } from '../lib/json-splice.ts';
import type { EncodePlan } from './dialect.ts';
import { RequestEdits } from './request-edits.ts';

const TRUE = Buffer.from('true');
const COMMA = Buffer.from(',');
const INCLUDE_USAGE = Buffer.from('"include_usage":true');
const STREAM_OPTIONS = Buffer.from('{"include_usage":true}');
const OPEN_BRACE = 0x7b;

export function leadingMessage(instructions: string): Buffer {
  return Buffer.from(JSON.stringify({ role: 'system', content: instructions }));
}

export function encodeChat(body: Buffer, scan: ObjectScan, plan: EncodePlan): Buffer {
  const edits = new RequestEdits(body, scan);
  if (plan.askUsage) askUsage(body, scan, edits);
  edits.setModel(plan.model);
  if (plan.leading !== null) edits.leadArray('messages', plan.leading);
  return edits.applied();
}

/** The caller's bytes, with the question for usage and no other edit. */
export function askForUsage(body: Buffer, scan: ObjectScan): Buffer {
  const edits = new RequestEdits(body, scan);
  askUsage(body, scan, edits);
  return edits.applied();
}

function askUsage(body: Buffer, scan: ObjectScan, edits: RequestEdits): void {
  const options = findMember(scan, 'stream_options');
  if (options === null) {
    edits.set('stream_options', STREAM_OPTIONS);
    return;
  }
  if (body[options.start] !== OPEN_BRACE) {
    // `null` is an absent value; anything else is the caller's mistake and the provider's to name.
    if (body.toString('latin1', options.start, options.end) === 'null') edits.set('stream_options', STREAM_OPTIONS);
    return;
  }
  const inner = scanObject(body, options.start);
  if (typeof inner === 'string') return;
  const asked = inner.members.filter(({ key }) => key === 'include_usage');
  for (const { start, end } of asked) edits.replace({ start, end, bytes: TRUE });
  if (asked.length > 0) return;
  const bytes = inner.members.length > 0 ? Buffer.concat([INCLUDE_USAGE, COMMA]) : INCLUDE_USAGE;
  edits.replace({ start: inner.insertAt, end: inner.insertAt, bytes });
}
