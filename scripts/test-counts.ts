/**
 * A `node:test` reporter that writes nothing but counts, one JSON line at the end, for scripts/test.ts to add up.
 * It counts tests by their own events: the runner's summary also counts what a crashed file never reported.
 */
import type { TestEvent } from 'node:test/reporters';

export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
  /** Full names of what did not pass, each with what its error said. */
  failures: string[];
  /** What the tests of each file took together, milliseconds. */
  tookMs: Record<string, number>;
}

const SAID_CHARS_MAX = 600;

export default async function* countTests(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: TestCounts = { passed: 0, failed: 0, skipped: 0, failures: [], tookMs: {} };
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.nesting === 0 && data.file !== undefined) {
      counts.tookMs[data.file] = (counts.tookMs[data.file] ?? 0) + data.details.duration_ms;
    }
    if (data.details.type === 'suite' && type === 'test:pass') continue;
    const where = `${data.file ?? ''} ${data.name}`.trim();
    if (data.skip !== undefined || data.todo !== undefined) {
      counts.skipped++;
      counts.failures.push(`${where} (skipped or todo)`);
    } else if (type === 'test:pass') {
      counts.passed++;
    } else if (!isParentOfFailures(data.details.error)) {
      counts.failed++;
      counts.failures.push(`${where}: ${saidBy(data.details.error)}`);
    }
  }
  yield `${JSON.stringify(counts)}\n`;
}

/** The last lines of a run are what is kept of it: without the reason a rare failure could not be understood from them. */
function saidBy(error: unknown): string {
  const { cause, message } = error as { cause?: unknown; message?: string };
  const said = cause instanceof Error ? cause.message : String(cause ?? message);
  return said.length > SAID_CHARS_MAX ? `${said.slice(0, SAID_CHARS_MAX)} …` : said;
}

/** A suite that failed only because a test inside did is not one more failure. */
function isParentOfFailures(error: unknown): boolean {
  return (error as { failureType?: unknown } | undefined)?.failureType === 'subtestsFailed';
}
