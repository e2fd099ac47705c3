/**
 * A `node:test` reporter that writes nothing but counts, one JSON line at the end, for scripts/test.ts to add up.
 * It counts tests by their own events: the runner's summary also counts what a crashed file never reported.
 */
import type { TestEvent } from 'node:test/reporters';

export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
  /** Full names of what did not pass. */
  failures: string[];
  /** What the tests of each file took together, milliseconds. */
  tookMs: Record<string, number>;
}

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
      counts.failures.push(where);
    }
  }
  yield `${JSON.stringify(counts)}\n`;
}

/** A suite that failed only because a test inside did is not one more failure. */
function isParentOfFailures(error: unknown): boolean {
  return (error as { failureType?: unknown } | undefined)?.failureType === 'subtestsFailed';
}
