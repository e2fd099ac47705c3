/** A gateway for the page's tests, in this process: one scripted provider, a state directory of its own, restarts on its port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { loadConfig } from '../../packages/gateway/src/config/load.ts';
import { type Gateway, startGateway } from '../../packages/gateway/src/gateway.ts';
import { type ScriptedProvider, startScriptedProvider } from './scripted-provider.ts';

export class PageHouse {
  readonly stateDir: string;
  readonly provider: ScriptedProvider;
  token = '';
  url = '';
  #gateway: Gateway | null = null;

  private constructor(stateDir: string, provider: ScriptedProvider) {
    this.stateDir = stateDir;
    this.provider = provider;
  }

  /** `prepare` may fill the ledger before the gateway starts. */
  static async open(prepare: (stateDir: string) => Promise<void> = async () => {}): Promise<PageHouse> {
    const stateDir = mkdtempSync(join(tmpdir(), 'weighbridge-page-'));
    await prepare(stateDir);
    const house = new PageHouse(stateDir, await startScriptedProvider(join(stateDir, 'journal.ndjson')));
    await house.start();
    return house;
  }

  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    const { config, secrets } = await loadConfig({
      flags: { stateDir: this.stateDir, port },
      variables: { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: this.provider.baseUrl },
      createToken: true,
    });
    this.#gateway = await startGateway(config, secrets, { log: pino({ level: 'silent' }) });
    this.url = this.#gateway.url;
    this.token = secrets.token!.reveal();
  }

  async stop(): Promise<void> {
    await this.#gateway?.close();
    this.#gateway = null;
  }

  async close(): Promise<void> {
    this.provider.release();
    await this.stop();
    await this.provider.close();
    rmSync(this.stateDir, { recursive: true, force: true });
  }

  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` };
  }

  /** A metered call; resolves when its answer is there. */
  async call(model: string, headers: Record<string, string> = {}): Promise<void> {
    const answer = await fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...this.headers, ...headers },
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    });
    await answer.text();
  }

  async ask<Answer>(path: string): Promise<Answer> {
    return (await fetch(this.url + path, { headers: this.headers })).json() as Promise<Answer>;
  }
}
