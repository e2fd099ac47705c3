/**
 * The gateways of the isolation test, in a thread of their own, so that they do not share one with those who play their
 * callers and their upstream. One thread for one test after the other: the program is loaded once.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { loadConfig } from '../../packages/gateway/src/config/load.ts';
import { type Gateway, startGateway } from '../../packages/gateway/src/gateway.ts';
import { CONTROLS, type Control } from './controls.ts';

export interface Opened {
  url: string;
  token: string;
}

interface Order {
  config: string;
  stateDir: string;
  control: Control;
  /** Absent: a file in the state directory. */
  databaseUrl?: string | undefined;
}

export class House {
  readonly #worker = new Worker(new URL(import.meta.url));

  /** One answer at a time. */
  open(order: Order): Promise<Opened> {
    return this.#ask<Opened>(order);
  }

  /** All that are open; waits for what is in flight. */
  async close(): Promise<void> {
    await this.#ask(null);
  }

  async leave(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask<Answer>(order: Order | null): Promise<Answer> {
    this.#worker.postMessage(order);
    const [answer] = (await once(this.#worker, 'message')) as [Answer | Error];
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

const gateways: Gateway[] = [];

async function obey(order: Order | null): Promise<Opened | null> {
  if (order === null) {
    for (const gateway of gateways.splice(0)) await gateway.close();
    return null;
  }
  const { config: file, stateDir, control, databaseUrl } = order;
  const variables = databaseUrl === undefined ? {} : { WEIGHBRIDGE_DATABASE_URL: databaseUrl };
  const flags = { config: file, stateDir, port: '0' };
  const { config, secrets } = await loadConfig({ flags, variables, createToken: true });
  const gateway = await startGateway(config, secrets, { log: pino({ level: 'fatal' }), ...CONTROLS[control] });
  gateways.push(gateway);
  return { url: gateway.url, token: secrets.token!.reveal() };
}

if (!isMainThread) {
  parentPort!.on('message', (order: Order | null) => {
    obey(order).then(
      (answer) => parentPort!.postMessage(answer),
      (error: unknown) => parentPort!.postMessage(error),
    );
  });
}
