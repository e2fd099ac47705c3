/**
 * Reads the body of a door's call as far as we must, and leaves the bytes alone: what we do not read passes untouched. What
 * is checked here holds for every door; what each one reads is its form (body-forms.ts); all else is the provider's to judge.
 */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../domain/errors.ts';
import { isObject } from '../lib/json-object.ts';
import { findMember, isDeeperThan, type ObjectScan, scanObject } from '../lib/json-splice.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** What a door reads of a body. */
export interface CallBody {
  requestedModel: string;
  stream: boolean;
  asksUsage: boolean;
  user: string | null;
  /** The content of the last user message. */
  asked: unknown;
}

export interface BodyForm {
  /** Names that somebody on the way acts on: twice the same name would let two readers see two requests. */
  readKeys: ReadonlySet<string>;
  /** The members inside which we read, and what. */
  readInside: Readonly<Record<string, string>>;
  /** Throws GatewayError for what cannot be. */
  check(fields: Fields): void;
  asksUsage(fields: Fields): boolean;
  userOf(fields: Fields): unknown;
  /** For transcripts: never checked, read as far as it can be. */
  askedOf(fields: Fields): unknown;
}

/** OpenClaw answers for its default agent where no model is named. */
const DEFAULT_MODEL = 'openclaw';

/** Throws GatewayError `invalid_json`, `duplicate_key` or `invalid_request`. */
export function readCallBody(body: Buffer, depthMax: number, form: BodyForm): CallBody {
  // Each reader would replace other bytes by other letters: what we record and what the provider reads would differ.
  if (!isUtf8(body)) throw new GatewayError('invalid_json', 'The JSON body is not valid UTF-8.');
  refuseUnsafeShape(body, depthMax, form);
  const fields = parseObject(body);
  const { model, stream } = fields;
  form.check(fields);
  if (model !== undefined && typeof model !== 'string') {
    throw new GatewayError('invalid_request', '`model` must be a string.', { param: 'model' });
  }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    throw new GatewayError('invalid_request', '`stream` must be true or false.', { param: 'stream' });
  }
  const user = form.userOf(fields);
  return {
    requestedModel: typeof model === 'string' && model !== '' ? model : DEFAULT_MODEL,
    stream: stream === true,
    asksUsage: form.asksUsage(fields),
    user: typeof user === 'string' && user !== '' ? user : null,
    asked: form.askedOf(fields),
  };
}

/** Before parsing: depth would stop the process for seconds, duplicates would be gone after it. */
function refuseUnsafeShape(body: Buffer, depthMax: number, form: BodyForm): void {
  const scan = scanObject(body, 0, depthMax);
  // What is no object is parsed as well, for the parser's own words about it.
  if (scan === 'too_deep' || (scan === 'malformed' && isDeeperThan(body, depthMax))) {
    throw new GatewayError('invalid_request', `The JSON body is nested deeper than ${depthMax} levels.`);
  }
  if (scan === 'malformed') return;
  const duplicate =
    scan.duplicates.find((key) => form.readKeys.has(key)) ?? duplicateInside(body, scan, depthMax, form);
  if (duplicate === null) return;
  throw new GatewayError('duplicate_key', `The JSON body names \`${duplicate}\` more than once; send it once.`, {
    param: duplicate,
  });
}

function duplicateInside(body: Buffer, scan: ObjectScan, depthMax: number, { readInside }: BodyForm): string | null {
  for (const key in readInside) {
    const member = findMember(scan, key);
    const inner = member === null ? null : scanObject(body, member.start, depthMax);
    const name = readInside[key]!;
    if (inner !== null && typeof inner !== 'string' && inner.duplicates.includes(name)) return `${key}.${name}`;
  }
  return null;
}

function parseObject(body: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new GatewayError('invalid_json', (error as Error).message);
  }
  if (!isObject(parsed)) throw new GatewayError('invalid_json', 'The JSON body must be an object.');
  return parsed;
}
