/**
 * The test command: unit tests in a few processes, each test of the whole program in its own, some of them side by side,
 * then one plain last line `N passed, N failed`. `--long` runs the full figures (test/quotas.ts); other arguments are parts of file names to
 * run alone. With `CI=true` a skipped test counts as failed, so that nothing is lost in silence.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { endProcess } from './end-process.ts';
import type { TestCounts } from './test-counts.ts';

const root = join(import.meta.dirname, '..');
const NODE_MAJOR_MIN = 24;
/** Most of a test is waiting for disks, sockets and other processes. */
const AT_ONCE = 3;
const UNIT_SHARES = 6;
/** A job that takes longer hangs: three times what the longest took on a slow machine. The long tier takes what it takes. */
const JOB_MS_MAX = 300_000;
/** Asked to end, a job names the test that it is in; one that goes round in a loop does not hear it. */
const END_MS_MAX = 10_000;
/** What takes longest begins first, or the end would wait for it alone. */
const LONG_ONES = [
  'crash.',
  'plugins.',
  'operations.',
  'crash-postgres.',
  'page',
  'attack.',
  'isolation.',
  'disk.',
  'properties',
];
/** Files to name as those that took longest. */
const LONGEST = 25;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) process.exit(runAgainWithOwnNode());

const args = process.argv.slice(2);
const isLong = args.includes('--long');
const wanted = args.filter((arg) => !arg.startsWith('--'));
const unitFiles = discover('packages/*/src/**/*.test.ts');
const programFiles = discover('test/**/*.test.ts');
const scratch = mkdtempSync(join(tmpdir(), 'weighbridge-test-'));
const startedAt = performance.now();

console.log(`${unitFiles.length + programFiles.length} files of tests; what they say is shown as they end`);
let results: TestCounts[];
try {
  results = await runAll([...unitJobs(), ...programJobs()]);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(report(results));

function discover(pattern: string): string[] {
  const files = globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }).sort();
  return wanted.length === 0 ? files : files.filter((file) => wanted.some((part) => file.includes(part)));
}

interface Job {
  name: string;
  files: string[];
}

function unitJobs(): Job[] {
  return Array.from({ length: UNIT_SHARES }, (_, share) => ({
    name: `units-${share + 1}`,
    files: unitFiles.filter((_file, place) => place % UNIT_SHARES === share),
  })).filter(({ files }) => files.length > 0);
}

function programJobs(): Job[] {
  const rank = (file: string): number =>
    LONG_ONES.findIndex((part) => file.includes(`/${part}`)) + 1 || LONG_ONES.length + 1;
  return programFiles
    .toSorted((one, other) => rank(one) - rank(other))
    .map((file) => ({ name: file.replaceAll('/', '-'), files: [file] }));
}

/** What a job says is shown when it is over, or lines of several would mix. */
async function runAll(jobs: Job[]): Promise<TestCounts[]> {
  const counts: TestCounts[] = [];
  const waiting = [...jobs];
  const run = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) counts.push(await runTests(job));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  return counts;
}

async function runTests({ name, files }: Job): Promise<TestCounts> {
  const countsFile = join(scratch, `${name}.json`);
  const seconds = secondsFrom(performance.now());
  const child = spawn(
    process.execPath,
    [
      '--test',
      '--test-isolation=none',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts/test-counts.ts')}`,
      `--test-reporter-destination=${countsFile}`,
      ...files,
    ],
    { cwd: root, stdio: ['inherit', 'pipe', 'pipe'], env: testEnvironment() },
  );
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk));
  const limit = isLong ? undefined : setTimeout(() => endProcess(child, END_MS_MAX), JOB_MS_MAX);
  const code = await new Promise<number>((resolve) => child.on('close', (value) => resolve(value ?? 1)));
  clearTimeout(limit);
  process.stdout.write(Buffer.concat(said));
  const counts = readCounts(countsFile);
  // The runner failed without naming a test (a file that does not load, an error after the last test): still a failure.
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    counts.failures.push(`${name}: the runner ended with code ${code} after ${seconds()} s`);
  }
  return counts;
}

function secondsFrom(startMs: number): () => number {
  return () => Math.round((performance.now() - startMs) / 1000);
}

/** Keys of real vendors on a developer's machine would give the gateway under test providers it must not have. */
function testEnvironment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _inherited, ...rest } = process.env;
  const env = Object.fromEntries(
    Object.entries(rest).filter(([key]) => !/_(API_KEY|BASE_URL)$|^(WEIGHBRIDGE|OPENCLAW)_(?!TEST_)/.test(key)),
  );
  // Two thirds of a second for each process that loads the gateway: what one has compiled the next reads.
  const NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');
  return { NODE_COMPILE_CACHE, ...env, WEIGHBRIDGE_TEST_TIER: isLong ? 'long' : 'short' };
}

function readCounts(file: string): TestCounts {
  const nothing: TestCounts = { passed: 0, failed: 0, skipped: 0, failures: [], tookMs: {} };
  if (!existsSync(file)) return nothing;
  const text = readFileSync(file, 'utf8').trim();
  return text === '' ? nothing : (JSON.parse(text) as TestCounts);
}

function report(parts: TestCounts[]): number {
  const isStrict = process.env.CI === 'true';
  const passed = parts.reduce((sum, part) => sum + part.passed, 0);
  const skipped = parts.reduce((sum, part) => sum + part.skipped, 0);
  const failed = parts.reduce((sum, part) => sum + part.failed, 0) + (isStrict ? skipped : 0);
  for (const part of parts) for (const failure of part.failures) console.log(`not passed: ${failure}`);
  console.log(`longest: ${longest(parts).join(', ')}`);
  console.log(`tests took ${secondsFrom(startedAt)()} s${isLong ? ' (long tier)' : ''}`);
  if (skipped > 0 && !isStrict) console.log(`${skipped} skipped`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/** Where to look when the whole takes too long. */
function longest(parts: TestCounts[]): string[] {
  const files = parts.flatMap(({ tookMs }) => Object.entries(tookMs)).sort(([, one], [, other]) => other - one);
  return files.slice(0, LONGEST).map(([file, ms]) => `${relative(root, file)} ${(ms / 1000).toFixed(1)} s`);
}

/** The system's Node is too old, but `npm ci` has put the right one beside us. */
function runAgainWithOwnNode(): number {
  const own = join(root, 'node_modules/.bin/node');
  if (!existsSync(own)) {
    console.error(
      `Weighbridge needs Node ${NODE_MAJOR_MIN}, this is ${process.version}. Run \`npm ci\`: it brings one.`,
    );
    return 1;
  }
  return spawnSync(own, process.argv.slice(1), { stdio: 'inherit' }).status ?? 1;
}
