/**
 * A siege: the real gateway as a process, a hostile provider behind it, attacks played against both sides, and the judgement.
 * Each attack is judged by what its class states; all of them together by the ledger against the provider's journal, by
 * the log, and by the process still answering. One sentence for each thing that is wrong.
 */
import { join } from 'node:path';
import { differences, type Sighting } from '../rig/compare.ts';
import { GatewayProcess, scriptedConfig } from '../rig/gateway-process.ts';
import { LedgerReader, type StoredEntry } from '../rig/ledger-reader.ts';
import { seeded } from '../rig/random.ts';
import { until } from '../rig/until.ts';
import { type Answer, assail, type Outcome } from './assailant.ts';
import { CALLER_ATTACKS } from './caller-transport.ts';
import { type Attack, type Ending, type Expected, type Generator, PROMPT_MARK } from './case.ts';
import { type AttackClass, CASE_MS, FROM_CALLERS, FROM_PROVIDERS, LIMITS, UPSTREAM } from './classes.ts';
import { HostileProvider } from './hostile-provider.ts';
import { PROVIDER_ATTACKS, plainScript } from './provider-transport.ts';
import type { Held } from './watched-main.ts';

const WATCHED_MAIN = join(import.meta.dirname, 'watched-main.ts');
const UPSTREAM_KEY = 'hostile-upstream-key';
/** Attacks at a time. */
const ABREAST = 24;
const WRITTEN_SHOWN = 400;

interface Planned {
  name: string;
  model: string;
  attack: Attack;
  expected: Expected;
  /** The beginning of what was written, for the sentences. */
  written: string;
}

export interface SiegeOptions {
  scratch: string;
  seed: number;
  /** A PostgreSQL database; without it the ledger is a file. */
  databaseUrl?: string;
}

export class Siege {
  readonly gateway: GatewayProcess;
  readonly provider: HostileProvider;
  readonly problems: string[] = [];
  played = 0;
  readonly #seed: number;
  readonly #planned = new Map<string, Planned>();
  readonly #sightings: Sighting[] = [];
  readonly #databaseUrl: string | null;
  readonly #output: { text: string };

  private constructor(
    { seed, databaseUrl }: SiegeOptions,
    gateway: GatewayProcess,
    provider: HostileProvider,
    output: { text: string },
  ) {
    this.gateway = gateway;
    this.provider = provider;
    this.#seed = seed;
    this.#databaseUrl = databaseUrl ?? null;
    this.#output = output;
  }

  static async lay(options: SiegeOptions): Promise<Siege> {
    const { scratch, seed, databaseUrl } = options;
    const provider = await HostileProvider.start(plainScript);
    const providers = {
      hostile: { baseUrl: provider.baseUrl, api: 'openai-completions', apiKey: UPSTREAM_KEY, models: [] },
    };
    const config = {
      ...scriptedConfig(provider.baseUrl, {
        limits: LIMITS,
        upstream: UPSTREAM,
        metering: { drain: { timeoutMs: 300 } },
      }),
      models: { providers },
    } as unknown as { gateway: object };
    config.gateway = { ...config.gateway, auth: { rateLimit: { maxAttempts: 1_000_000 } } };
    const output = { text: '' };
    const gateway = new GatewayProcess({
      stateDir: join(scratch, `siege-${seed}`),
      config,
      onOutput: (text) => (output.text += text),
      main: WATCHED_MAIN,
      ...(databaseUrl === undefined ? {} : { env: { WEIGHBRIDGE_DATABASE_URL: databaseUrl } }),
    });
    await gateway.start();
    return new Siege(options, gateway, provider, output);
  }

  /** So many rounds of the classes named, or of all; fewer than one of a class is chance. */
  async play(rounds: number, only?: readonly string[]): Promise<void> {
    const plan = this.#plan(rounds, only);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < plan.length) await this.#attack(plan[next++]!);
    };
    await Promise.all(Array.from({ length: ABREAST }, lane));
    await this.#expectAlive();
  }

  /** Compares the books; call when all has been played. */
  async judge(): Promise<void> {
    await this.#settled().catch((error: Error) => this.problems.push(error.message));
    const ledger = await this.#ledger();
    try {
      const entries = ledger.entries();
      this.problems.push(...ledger.inconsistencies());
      this.problems.push(...differences(this.provider.requests, entries, this.#sightings));
      for (const planned of this.#planned.values()) this.#judgeBooks(planned, entries);
      this.#judgeStrays(entries);
      this.#judgeLog();
    } finally {
      ledger.close();
    }
  }

  /** What the gateway holds once its garbage is collected. */
  async held(): Promise<Held> {
    const { length } = this.#output.text;
    this.gateway.signal('SIGUSR2');
    const said = (): string | undefined => /^held (.*)$/m.exec(this.#output.text.slice(length))?.[1];
    await until('the gateway says what it holds', () => said() !== undefined);
    return JSON.parse(said()!) as Held;
  }

  async lift(): Promise<void> {
    await this.gateway.stop();
    await this.provider.close();
  }

  async #ledger(): Promise<LedgerReader> {
    return this.#databaseUrl === null
      ? new LedgerReader(this.gateway.databaseFile)
      : LedgerReader.ofServer(this.#databaseUrl);
  }

  async #settled(): Promise<void> {
    await until('every entry is settled', async () => {
      const ledger = await this.#ledger();
      const isSettled = ledger.entries().every(({ outcome }) => outcome !== null);
      ledger.close();
      return isSettled;
    });
  }

  #plan(rounds: number, only: readonly string[] | undefined): Planned[] {
    const random = seeded(this.#seed + this.played);
    const token = this.gateway.token;
    const plan: { at: number; planned: Planned }[] = [];
    const sides = [
      [FROM_CALLERS, CALLER_ATTACKS],
      [FROM_PROVIDERS, PROVIDER_ATTACKS],
    ] as const;
    for (const [classes, generators] of sides) {
      for (const [name, { times, expects, isSlow }] of Object.entries<AttackClass>(classes)) {
        if (only !== undefined && !only.includes(name)) continue;
        const count = Math.max(1, Math.round(times * rounds));
        for (let index = 0; index < count; index++) {
          const model = `c${this.played++}`;
          const generate = (generators as Readonly<Record<string, Generator>>)[name]!;
          const attack = generate({ random, index, model, token });
          const expected = { ...expects, ...attack.expects };
          plan.push({
            at: isSlow ? -1 : random(),
            planned: { name, model, attack, expected, written: beginningOf(attack, token) },
          });
        }
      }
    }
    return plan.sort((a, b) => a.at - b.at).map(({ planned }) => planned);
  }

  async #attack(planned: Planned): Promise<void> {
    const { model, attack } = planned;
    this.#planned.set(model, planned);
    if (attack.play) this.provider.scripts.set(model, { play: attack.play, tokens: attack.tokens ?? null });
    const outcome = await assail(this.gateway.url, attack.steps, attack.answers, CASE_MS);
    this.#judgeAnswers(planned, outcome);
    // The bytes of thousands of cases would be most of the test's memory.
    planned.attack = { ...attack, steps: [] };
    delete planned.attack.bytes;
  }

  #say({ name, model, written }: Planned, what: string): void {
    this.problems.push(`${name} (${model}): ${what} – ${written}`);
  }

  #judgeAnswers(planned: Planned, outcome: Outcome): void {
    const { attack, expected } = planned;
    const finals = outcome.answers.filter(({ status }) => status >= 200);
    if (outcome.isTimeUp) this.#say(planned, `no end after ${CASE_MS} ms`);
    if (finals.length === 0) {
      if (attack.steps.includes('reset') || attack.answers === 0) return;
      if (!expected.endings.includes('cut')) this.#say(planned, 'was cut without an answer');
      return;
    }
    for (const answer of finals) this.#judgeAnswer(planned, answer);
    const [first] = finals;
    const isWhole = endingOf(first!) === 'whole';
    if (attack.bytes !== undefined && isWhole && !first!.body.equals(attack.bytes)) {
      this.#say(planned, `the caller got other bytes than the provider sent: ${shown(first!.body)}`);
    }
    const id = /\r\nx-weighbridge-dispatch-id: (\S+)/i.exec(first!.rawHead)?.[1] ?? null;
    const isSure = expected.books.length === 1 && expected.books[0] === 'completed reported';
    if (id !== null && isWhole && isSure) this.#sightings.push({ dispatchId: id, sawEnd: true });
  }

  #judgeAnswer(planned: Planned, answer: Answer): void {
    const { expected, attack } = planned;
    const ending = endingOf(answer);
    if (attack.steps.includes('reset') && ending === 'cut') return;
    if (!expected.endings.includes(ending)) {
      this.#say(planned, `ended as '${ending}' (${answer.status}): ${shown(answer.body)}`);
    }
    if (!expected.statuses.includes(answer.status)) {
      this.#say(planned, `answered ${answer.status}: ${shown(answer.body)}`);
    }
    for (const word of attack.unseen ?? []) {
      if (answer.rawHead.toLowerCase().includes(word)) this.#say(planned, `the answer's head says '${word}'`);
    }
    if (ending === 'refusal') {
      const flaw = flawOfRefusal(answer);
      if (flaw !== null) this.#say(planned, `${flaw}: ${answer.status} ${shown(answer.body)}`);
    }
  }

  /** What the provider and the ledger hold of this case. */
  #judgeBooks(planned: Planned, entries: readonly StoredEntry[]): void {
    const { model, expected, attack } = planned;
    const requests = this.provider.requests.filter((request) => request.model === model);
    const own = entries.filter((entry) => entry.model === model);
    const [least, most] = expected.dispatches;
    if (requests.length < least || requests.length > most) {
      this.#say(planned, `reached the provider ${requests.length} times, not ${least} to ${most}`);
    }
    const known = new Set(requests.map(({ dispatchId }) => dispatchId));
    for (const { dispatchId, outcome, usageSource } of own) {
      // Who left between intent and request: an entry that says that nothing was sent.
      if (!known.has(dispatchId) && !(outcome === 'aborted' && usageSource === 'none')) {
        this.#say(planned, `has an entry (${outcome}, ${usageSource}) that the provider knows nothing of`);
      }
      if (known.has(dispatchId) && !expected.books.some((pair) => pair === `${outcome} ${usageSource}`)) {
        this.#say(planned, `is in the ledger as '${outcome} ${usageSource}'`);
      }
    }
    const { forbidden } = attack;
    if (forbidden !== undefined && this.provider.requests.some((request) => request.model === forbidden)) {
      this.#say(planned, 'a request hidden in its body was carried out');
    }
  }

  #judgeStrays(entries: readonly StoredEntry[]): void {
    for (const head of this.provider.strays) this.problems.push(`the provider got a request of another kind: ${head}`);
    const unknown = entries.filter(({ model }) => !this.#planned.has(model));
    for (const { model, dispatchId } of unknown) this.problems.push(`${dispatchId} is of no case: ${model}`);
  }

  #judgeLog(): void {
    const { text } = this.#output;
    for (const [what, secret] of [
      ['the callers’ token', this.gateway.token],
      ['the provider’s key', UPSTREAM_KEY],
      ['words of a prompt', PROMPT_MARK],
    ] as const) {
      if (text.includes(secret)) this.problems.push(`the log holds ${what}`);
    }
    for (const line of text.split('\n').filter((one) => /"level":(50|60)/.test(one))) {
      this.problems.push(`the log tells of an error: ${line.slice(0, 600)}`);
    }
  }

  async #expectAlive(): Promise<void> {
    const answer = await fetch(`${this.gateway.url}/healthz`).catch((error: unknown) => error as Error);
    if (answer instanceof Error || answer.status !== 200) this.problems.push(`/healthz does not answer: ${answer}`);
  }
}

function endingOf({ status, rawHead, body, isComplete }: Answer): Ending {
  if (!isComplete) return 'cut';
  const isEvents = /\r\ncontent-type: text\/event-stream/i.test(rawHead);
  if (isEvents && /(^|[\r\n])data: \{"error":.*\s*$/.test(body.toString('latin1'))) return 'error event';
  const isOurs = /"code":"[a-z_]+"/.test(body.toString('latin1')) || !/\r\nx-weighbridge-dispatch-id:/i.test(rawHead);
  return status >= 400 && isOurs ? 'refusal' : 'whole';
}

/** Why a refusal is not what a caller can read; null when it is. */
function flawOfRefusal({ status, rawHead, body }: Answer): string | null {
  const text = body.toString('utf8');
  if (status >= 500 && status < 502) return 'a refusal that admits a bug';
  if (/\/(tmp|home|work|node_modules)\/|\n\s+at |\.ts:\d+/.test(text)) return 'a refusal that shows our insides';
  if ((status === 404 || status === 405) && /\r\ncontent-type: text\/plain/i.test(rawHead)) return null;
  try {
    const { error } = JSON.parse(text) as { error: { message: unknown; type: unknown; code: unknown } };
    const isShaped = [error.message, error.type, error.code].every((part) => typeof part === 'string' && part !== '');
    return isShaped ? null : 'a refusal without message, type and code';
  } catch {
    return 'a refusal that is not JSON';
  }
}

/** Without what all have: a failure is read by people. */
function beginningOf({ steps }: Attack, token: string): string {
  const bytes = steps
    .filter((step) => typeof step === 'string' || Buffer.isBuffer(step))
    .map((step) => step.toString());
  return JSON.stringify(bytes.join('').replaceAll(token, '…').slice(0, WRITTEN_SHOWN));
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('utf8').slice(-200));
}
