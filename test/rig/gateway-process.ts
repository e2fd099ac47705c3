/**
 * The real gateway as a child process, started the way an operator starts it: `serve` with a state directory and a config
 * file. It can be killed and started again on the same state; `main` may name a variant that breaks a promise on purpose.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';

export const REPOSITORY = join(import.meta.dirname, '../..');
const MAIN = join(REPOSITORY, 'packages/gateway/src/main.ts');

export interface GatewayOptions {
  stateDir: string;
  /** Written as the config file; null: none is given, the environment decides. */
  config: object | null;
  env?: Readonly<Record<string, string>>;
  main?: string;
  readyTimeoutMs?: number;
  onOutput?: (text: string) => void;
}

export class GatewayProcess {
  readonly stateDir: string;
  url = '';
  /** Milliseconds from spawn to the ready line, of the last start. */
  readyMs = 0;
  readonly #options: GatewayOptions;
  #config: object | null;
  #child: Child | null = null;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.stateDir = options.stateDir;
    this.#config = options.config;
  }

  /** For the next start. */
  configure(config: object): void {
    this.#config = config;
  }

  async start(): Promise<this> {
    const config = this.#config;
    const { stateDir, env, main, readyTimeoutMs, onOutput } = this.#options;
    const args = [main ?? MAIN, 'serve', '--port', '0', '--state-dir', stateDir];
    if (config !== null) {
      const file = `${stateDir}.config.json5`;
      writeFileSync(file, JSON.stringify(config, null, 2));
      args.push('--config', file);
    }
    const startedAt = performance.now();
    this.#child = new Child({
      args,
      env: { ...cleanEnvironment(), ...env },
      ready: /^weighbridge listening on (http:\/\/\S+)$/m,
      readyTimeoutMs: readyTimeoutMs ?? 60_000,
      onOutput,
    });
    this.url = await this.#child.ready;
    this.readyMs = performance.now() - startedAt;
    return this;
  }

  get pid(): number {
    return this.#child!.process.pid!;
  }

  /** What it wrote to both outputs so far. */
  get output(): string {
    return this.#child?.output ?? '';
  }

  get token(): string {
    return readFileSync(join(this.stateDir, 'token'), 'utf8').trim();
  }

  get databaseFile(): string {
    return join(this.stateDir, 'weighbridge.sqlite');
  }

  signal(name: NodeJS.Signals): void {
    this.#child!.signal(name);
  }

  async kill(): Promise<void> {
    await this.#child!.end('SIGKILL');
  }

  async stop(): Promise<number | string> {
    return this.#child === null ? 0 : this.#child.end('SIGTERM');
  }
}

/** A directory that is gone when the test is over. */
export function scratchDirectory(t: { after(cleanUp: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'weighbridge-test-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** One provider, `scripted`, with prices for the models that tests look at; the chat door is on. */
export function scriptedConfig(baseUrl: string, extra: object = {}): object {
  const cost = { input: 2.5, output: 10, cacheRead: 0.25, cacheWrite: 0 };
  return {
    gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
    models: {
      providers: {
        scripted: {
          baseUrl,
          api: 'openai-completions',
          apiKey: 'upstream-key',
          models: ['ok-3', 'ok-8+gap-4ms', 'ok-20+gap-1ms'].map((id) => ({ id, name: id, cost })),
        },
      },
    },
    ...extra,
  };
}

/** Without the machine's own keys and settings: they would become providers of the gateway under test. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) => !/_(API_KEY|BASE_URL)$|^(WEIGHBRIDGE|OPENCLAW)_|^NODE_TEST_CONTEXT$/.test(key),
    ),
  );
}
