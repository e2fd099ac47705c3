/**
 * The processes of `try:openclaw` in their scratch folder: a home of their own, so that `~/.openclaw` and `~/.weighbridge` are
 * literally what the document names, the two commands on the path, and every child ended by its own id.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const READY_MS = 180_000;
const COMMAND_MS = 120_000;
const TURN_MS = 180_000;
const STOP_MS = 10_000;

interface Folders {
  folder: string;
  /** Where `node_modules/openclaw` lies. */
  modules: string;
  repository: string;
}

export interface Instance {
  /** One message to a session's agent; its answer's text. */
  turn(text: string, session: string, how?: { signal?: AbortSignal; model?: string }): Promise<string>;
  /** One method of its gateway. */
  call(method: string, params: object): Promise<string>;
  /** Session ids by session keys, as it knows them. */
  sessions(): Promise<Map<string, string>>;
}

export class Scratch {
  readonly openclawToken = 'try-openclaw-token';
  openclawPort = 0;
  gatewayPort = 0;
  readonly #home: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly folder: string;
  #children: ChildProcess[] = [];

  constructor({ folder, modules, repository }: Folders) {
    this.folder = folder;
    this.#home = join(folder, 'home');
    const bin = join(folder, 'bin');
    mkdirSync(this.#home, { recursive: true });
    mkdirSync(bin);
    const command = join(bin, 'weighbridge');
    writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${repository}/packages/gateway/src/main.ts' "$@"\n`);
    chmodSync(command, 0o755);
    const path = [bin, join(modules, 'node_modules/.bin'), join(process.execPath, '..'), process.env.PATH].join(':');
    this.#environment = { ...cleanEnvironment(), PATH: path, HOME: this.#home };
  }

  async choosePorts(usual: number): Promise<void> {
    this.gatewayPort = (await freePort(usual)) ?? (await freePort(0))!;
    this.openclawPort = (await freePort(0))!;
    if (this.gatewayPort !== usual) this.#environment.WEIGHBRIDGE_PORT = String(this.gatewayPort);
  }

  get openclawFile(): string {
    return join(this.#home, '.openclaw/openclaw.json');
  }

  get databaseFile(): string {
    return join(this.#home, '.weighbridge/weighbridge.sqlite');
  }

  /** What it prints to its standard output; throws what it says where it fails. */
  async shell(command: string): Promise<string> {
    const options = { env: this.#environment, cwd: this.folder, timeout: COMMAND_MS, maxBuffer: 64 * 1024 * 1024 };
    return (await promisify(execFile)('sh', ['-e', '-c', command], options)).stdout;
  }

  /** A profile of a client that knows only where the gateway is; goes before a command. */
  remoteProfile(url: string, token: string): string {
    const file = join(this.folder, 'client.json');
    writeFileSync(file, JSON.stringify({ gateway: { mode: 'remote', remote: { url, token } } }), { mode: 0o600 });
    const home = join(this.folder, 'client-home');
    mkdirSync(home, { recursive: true });
    return `env HOME='${home}' OPENCLAW_STATE_DIR='${home}/state' OPENCLAW_CONFIG_PATH='${file}'`;
  }

  /** A command that is talked to. */
  open(name: string, command: string) {
    const child = spawn('sh', ['-c', command], {
      env: this.#environment,
      cwd: this.folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stderr.pipe(createWriteStream(join(this.folder, `${name}.log`)));
    this.#children.push(child);
    return child;
  }

  async startGateway(command: string): Promise<void> {
    const { stdout } = this.#start('weighbridge', `exec ${command.trim()}`);
    // Its own word: on the usual port another's gateway may answer.
    for await (const text of stdout.setEncoding('utf8')) {
      const said = /^weighbridge listening on (\S+)$/m.exec(String(text));
      if (said === null) continue;
      if (!said[1]!.endsWith(`:${this.gatewayPort}`)) throw new Error(`the gateway listens on ${said[1]}`);
      return;
    }
    throw new Error('the gateway did not start; see weighbridge.log');
  }

  async startOpenclaw(): Promise<Instance> {
    this.#start('openclaw', 'exec openclaw gateway run');
    const url = `http://127.0.0.1:${this.openclawPort}`;
    await answers(`${url}/readyz`);
    const authorization = `Bearer ${this.openclawToken}`;
    return {
      turn: async (text, session, { signal, model } = {}) => {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: {
            authorization,
            'content-type': 'application/json',
            'x-openclaw-session-key': `agent:main:${session}`,
            ...(model === undefined ? {} : { 'x-openclaw-model': model }),
          },
          body: JSON.stringify({ model: 'openclaw', stream: true, messages: [{ role: 'user', content: text }] }),
          signal: AbortSignal.any([AbortSignal.timeout(TURN_MS), ...(signal === undefined ? [] : [signal])]),
        });
        const answer = await response.text();
        if (!response.ok) throw new Error(`${response.status} ${answer}`);
        return [...answer.matchAll(/"content":"((?:[^"\\]|\\.)*)"/g)].map(([, piece]) => piece).join('') || answer;
      },
      call: (method, params) =>
        this.shell(
          `openclaw gateway call ${method} --url ws://127.0.0.1:${this.openclawPort} --token ${this.openclawToken} --timeout 60000 --json --params '${JSON.stringify(params)}'`,
        ),
      sessions: async () => {
        const listed = JSON.parse(await this.shell('openclaw sessions --json')) as {
          sessions: { key: string; sessionId: string }[];
        };
        return new Map(listed.sessions.map(({ key, sessionId }) => [key, sessionId]));
      },
    };
  }

  async stopAll(): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ends = running.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of running) child.kill('SIGTERM');
    await Promise.race([Promise.all(ends), sleep(STOP_MS, undefined, { ref: false })]);
    this.killAll();
  }

  /** With what they started themselves: each child leads a group. */
  killAll(): void {
    for (const { pid } of this.#children) {
      try {
        process.kill(-pid!, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    this.#children = [];
  }

  #start(name: string, command: string) {
    const child = spawn('sh', ['-c', command], {
      env: this.#environment,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const log = createWriteStream(join(this.folder, `${name}.log`));
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#children.push(child);
    return child;
  }
}

async function answers(url: string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const isReady = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    if (performance.now() > deadline) throw new Error(`${url} is not ready after ${READY_MS / 1000} s`);
    await sleep(500);
  }
}

/** Null: somebody has it. */
function freePort(wanted: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

/** Without the machine's own keys and settings. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) => !/_(API_KEYS?|BASE_URL|PROXY)$|^(WEIGHBRIDGE|OPENCLAW|npm)_|_proxy$/.test(key),
    ),
  );
}
