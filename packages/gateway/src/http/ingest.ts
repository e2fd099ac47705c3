/**
 * Usage that others counted, over HTTP: one record, an array, or one record a line. Decodes, asks the ledger, answers;
 * what a record may say is decided there (ledger/reports). The shape is AgentWatch's, so that what posts there can post
 * here by another address alone.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isOperator } from '../domain/caller.ts';
import { GatewayError } from '../domain/errors.ts';
import type { Reporter } from '../ledger/reports/record.ts';
import { type ReportsDeps, takeIn } from '../ledger/reports/reports.ts';
import type { Clock } from '../lib/clock.ts';
import { isDeeperThan } from '../lib/json-splice.ts';
import { bodyOf } from './body.ts';
import { callerOf } from './policy.ts';
import { INGEST } from './schemas.ts';

/** So that a record's id can be made of it. */
const IDEMPOTENCY_KEY_CHARS_MAX = 200;
const DEPTH_MAX = 16;

export interface IngestDeps extends Pick<Reporter, 'nextDispatchId' | 'priceOf'> {
  reports: ReportsDeps;
  limits: Reporter['limits'] & { ingestBytesMax: number; ingestRecordsMax: number };
  clock: Clock;
}

export function ingest(app: FastifyInstance, deps: IngestDeps): void {
  const { reports, limits, clock, nextDispatchId, priceOf } = deps;
  // It adds to what is invoiced: a key that only dispatches must not.
  const route = { config: { scope: 'admin' as const }, schema: INGEST };
  app.post('/api/v1/ingest/model_usage', route, async (request) => {
    const caller = callerOf(request);
    const { ingestBytesMax, ingestRecordsMax } = limits;
    const records = recordsOf(await bodyOf(request, ingestBytesMax), request.headers['content-type'] ?? '');
    if (records.length > ingestRecordsMax) {
      throw new GatewayError(
        'payload_too_large',
        `More than ${ingestRecordsMax} records (\`limits.ingestRecordsMax\`); send them in several requests.`,
      );
    }
    const by: Reporter = {
      tenantId: caller.tenantId,
      keyId: caller.keyId,
      isOperator: isOperator(caller),
      now: clock.now(),
      limits,
      nextDispatchId,
      priceOf,
    };
    return takeIn(reports, { records, idempotencyKey: idempotencyKeyOf(request), by });
  });
}

function recordsOf(body: Buffer, contentType: string): readonly unknown[] {
  if (contentType.startsWith('application/x-ndjson')) {
    return linesOf(body).flatMap((line, at) => (isBlank(line) ? [] : [parsed(line, `Line ${at + 1}`)]));
  }
  const value = parsed(body, 'The body');
  return Array.isArray(value) ? value : [value];
}

/** As bytes: what is no text must be refused, and not read as another one. */
function linesOf(body: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from <= body.length; ) {
    const end = body.indexOf(0x0a, from);
    lines.push(body.subarray(from, end < 0 ? body.length : end));
    from = end < 0 ? body.length + 1 : end + 1;
  }
  return lines;
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

function parsed(bytes: Buffer, what: string): unknown {
  try {
    if (isDeeperThan(bytes, DEPTH_MAX)) throw new SyntaxError(`it is nested deeper than ${DEPTH_MAX} levels`);
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new GatewayError('invalid_json', `${what} is not JSON: ${(error as Error).message}`);
  }
}

function idempotencyKeyOf({ headers }: FastifyRequest): string | null {
  const key = String(headers['idempotency-key'] ?? '').trim();
  if (key.length <= IDEMPOTENCY_KEY_CHARS_MAX) return key === '' ? null : key;
  throw new GatewayError(
    'invalid_request',
    `\`Idempotency-Key\` is longer than ${IDEMPOTENCY_KEY_CHARS_MAX} characters.`,
  );
}
