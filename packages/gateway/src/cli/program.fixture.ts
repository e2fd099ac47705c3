/** The program as a process of its own, and a gateway of it with one call that stays in flight. For tests of verbs. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanEnvironment, REPOSITORY, scriptedConfig } from '../../../../test/rig/gateway-process.ts';

const MAIN = join(REPOSITORY, 'packages/gateway/src/main.ts');

/** A program that does not say what it should is ended, so that no test hangs. */
const PATIENCE_MS = 20_000;

export interface Program {
  process: ChildProcess;
  said: { stdout: string; stderr: string };
  /** Resolves when that stream has that text; rejects when the program ends before, or the time is up. */
  until(stream: 'stdout' | 'stderr', text: string): Promise<void>;
  ended: Promise<number | null>;
}

export function start(t: TestContext, args: string[], variables: Record<string, string> = {}): Program {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...cleanEnvironment(), ...variables } });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      child.emit('said');
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const until = async (stream: 'stdout' | 'stderr', text: string): Promise<void> => {
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS).unref();
    while (!said[stream].includes(text)) {
      const over = await Promise.race([once(child, 'said'), ended.then(() => 'over' as const)]);
      assert.ok(over !== 'over' || said[stream].includes(text), `no "${text}": ${said.stdout}${said.stderr}`);
    }
    clearTimeout(late);
  };
  return { process: child, said, until, ended };
}

export function stateDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weighbridge-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface Busy {
  gateway: Program;
  stateDir: string;
  url: string;
  token: string;
  /** Writes to the provider's answer, which has begun and does not end by itself. */
  provider: ServerResponse;
  /** What the caller was answered, when it has ended. */
  answered: Promise<string>;
}

/** A gateway whose only call stays in flight: its provider begins an answer and goes silent. */
export async function serveWithCallInFlight(t: TestContext): Promise<Busy> {
  const stateDir = stateDirectory(t);
  const asked = Promise.withResolvers<ServerResponse>();
  const upstream = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    asked.resolve(response);
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const config = join(stateDir, 'weighbridge.json5');
  writeFileSync(config, JSON.stringify(scriptedConfig(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)));
  const gateway = start(t, ['serve', '--port', '0', '--state-dir', stateDir, '--json']);
  await gateway.until('stdout', '\n');
  const { url } = JSON.parse(gateway.said.stdout) as { url: string };
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim();
  const answered = fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'scripted/ok-3', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
  }).then(
    (response) => response.text(),
    (error) => String(error),
  );
  return { gateway, stateDir, url, token, provider: await asked.promise, answered };
}
