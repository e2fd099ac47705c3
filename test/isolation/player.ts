/**
 * Plays callers: a number of them at once, each with its own connection, each picking at random what to do next and in which
 * session. A few sessions get most of what is done, so that patches and dispatches of one session really meet. Whoever
 * changes a session's headers tells the oracle first; what arrives is judged where it arrives.
 */
import { Caller } from '../rig/caller.ts';
import { pick, type Random, seeded } from '../rig/random.ts';
import { CallModel, OWN, PATCHED, type Patch, SessionModel } from './oracle.ts';
import { type Expected, type Recorder, textOf, type Word } from './recorder.ts';

export interface Stage {
  /** More than one share their sessions. */
  gateways: readonly { url: string; token: string }[];
  recorder: Recorder;
  seed: number;
  /** The same over sockets, which all callers share. */
  sockets: Ways;
}

/** One way of making a session dispatch. */
export interface Ways {
  /** Runs of one session wait for one another. */
  readonly isSerial: boolean;
  /** Starts a run; resolves with what is wrong about its end, null where it ended well. `abort` ends it early. */
  run(
    session: SessionModel,
    callNo: number,
    patch: Patch | undefined,
    abort: Promise<void> | null,
  ): Promise<string | null>;
  /** Leaves and comes back. */
  reconnect(): Promise<void>;
  /** Resolves when it is answered; rejects where it is refused. */
  patch(session: SessionModel, patch: Patch): Promise<void>;
  /** The same; what was never there is over too. `reset`: only what was said. */
  empty(session: SessionModel, how: 'reset' | 'delete'): Promise<void>;
}

export const SESSIONS = 1000;
const CALLERS = 40;
/** Every second thing is done in one of these. */
const HOT_SESSIONS = 25;
const SOCKETS_SHARE = 0.25;
const HEADER = 'x-weighbridge-outbound-headers';

interface Door {
  path: string;
  body: (text: string) => object;
  /** Whether a failed dispatch is tried again: the pass-through never does. */
  retries: boolean;
  /** Whether it falls back. */
  falls: boolean;
}

const messages = (text: string) => [{ role: 'user', content: text }];
const door = (path: string, body: Door['body'], falls = false): Door => ({
  path,
  body,
  retries: !path.startsWith('/proxy'),
  falls,
});
const DOORS: readonly Door[] = [
  door('/v1/chat/completions', (text) => ({ model: 'openclaw/iso', messages: messages(text) }), true),
  door('/v1/chat/completions', (text) => ({ model: 'openclaw/iso', messages: messages(text), stream: true }), true),
  door('/v1/chat/completions', (text) => ({ model: 'one/m', messages: messages(text) })),
  door('/v1/embeddings', (text) => ({ model: 'one/m', input: text })),
  door('/v1/responses', (text) => ({ model: 'resp/m', input: text })),
  door('/v1/messages', (text) => ({ model: 'anth/m', max_tokens: 9, messages: messages(text) })),
  door('/proxy/one/v1/chat/completions', (text) => ({ model: 'm', messages: messages(text) })),
  door('/proxy/two/v1/embeddings', (text) => ({ model: 'm', input: text })),
  door('/proxy/anth/v1/messages', (text) => ({ model: 'm', max_tokens: 9, messages: messages(text) })),
];
const FALLING = DOORS.filter(({ falls }) => falls);
const RETRYING = DOORS.filter(({ retries }) => retries);

export class Player {
  readonly #stage: Stage;
  readonly #sessions = Array.from({ length: SESSIONS }, (_, index) => new SessionModel(index));
  /** What did not end as it should have, beside what the recorder found. */
  readonly problems: string[] = [];
  readonly done: Record<string, number> = {};
  #callNo = 0;
  #until = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Until that many dispatches have arrived. */
  async play(dispatches: number): Promise<void> {
    this.#until = this.#stage.recorder.dispatches + dispatches;
    const callers = Array.from({ length: CALLERS }, (_, n) => this.#caller(seeded(this.#stage.seed * CALLERS + n)));
    await Promise.all(callers);
  }

  async #caller(random: Random): Promise<void> {
    const http = new Http(this.#stage, random);
    try {
      while (this.#stage.recorder.dispatches < this.#until && this.problems.length < 20) {
        await this.#act(random() < SOCKETS_SHARE ? this.#stage.sockets : http, random);
      }
    } catch (error) {
      this.problems.push(`a caller stopped: ${(error as Error).stack}`);
    } finally {
      http.close();
    }
  }

  #session(random: Random): SessionModel {
    return this.#sessions[Math.floor(random() * (random() < 0.5 ? HOT_SESSIONS : SESSIONS))]!;
  }

  async #act(way: Ways, random: Random): Promise<void> {
    const session = this.#session(random);
    const chance = random();
    if (chance < 0.16) return this.#patch(way, session, random);
    if (chance < 0.2) return this.#clear(way, session, random);
    if (chance < 0.22) return this.#reset(session);
    if (chance < 0.23) return this.#delete(way, session);
    if (chance < 0.24) return this.#count('reconnect', way.reconnect());
    if (chance < 0.3) return this.#interrupted(way, session, 'retry', random);
    if (chance < 0.38) return this.#interrupted(way, session, 'next', random);
    if (chance < 0.43) return this.#aborted(way, session, random);
    return this.#run(way, session, random);
  }

  /** A run, perhaps with headers of its own. */
  async #run(way: Ways, session: SessionModel, random: Random): Promise<void> {
    const callNo = ++this.#callNo;
    const own = random() < 0.4 ? `s${session.index}.c${callNo}` : null;
    const { expected } = this.#expect(new CallModel(session, own), callNo, ['ok']);
    await this.#ends(
      'run',
      expected,
      callNo,
      way.run(session, callNo, own === null ? undefined : { [OWN]: own }, null),
    );
  }

  /** Between a run's first dispatch and its second the session gets other headers. */
  async #interrupted(way: Ways, session: SessionModel, word: 'retry' | 'next', random: Random): Promise<void> {
    const callNo = ++this.#callNo;
    const own = random() < 0.3 ? `s${session.index}.c${callNo}` : null;
    const last: Word[] = word === 'next' && random() < 0.5 ? ['next', 'ok'] : ['ok'];
    const { expected, arrived, release } = this.#expect(new CallModel(session, own), callNo, [word, ...last]);
    const run = way.run(session, callNo, own === null ? undefined : { [OWN]: own }, null);
    await Promise.race([arrived, run]);
    try {
      // A run behind this one would wait for it for ever.
      await this.#patch(way, session, random, way.isSerial);
    } finally {
      release();
    }
    await this.#ends(`run with a ${word}`, expected, callNo, run);
  }

  async #aborted(way: Ways, session: SessionModel, random: Random): Promise<void> {
    const callNo = ++this.#callNo;
    const { expected, arrived, release } = this.#expect(new CallModel(session, null), callNo, ['hold', 'ok']);
    const abort = random() < 0.7 ? arrived : Promise.resolve();
    const run = way.run(session, callNo, undefined, abort);
    await Promise.race([abort, run]);
    setImmediate(release);
    await this.#ends('aborted run', expected, callNo, run);
  }

  async #patch(way: Ways, session: SessionModel, random: Random, isAlone = random() < 0.6): Promise<void> {
    if (session.isPatching) return;
    const names = PATCHED.filter(() => random() < 0.5);
    const gone = PATCHED.filter((name) => !names.includes(name) && random() < 0.3);
    await this.#change('patch', way, session, session.begin(names, gone), isAlone);
  }

  async #clear(way: Ways, session: SessionModel, random: Random): Promise<void> {
    if (!session.isPatching) await this.#change('clear', way, session, session.beginClear(), random() < 0.6);
  }

  /** A patch that the oracle knows already: by itself, or with a run that must have it. */
  async #change(what: string, way: Ways, session: SessionModel, patch: Patch, isAlone: boolean): Promise<void> {
    if (isAlone) {
      await this.#count(what, way.patch(session, patch));
    } else {
      const callNo = ++this.#callNo;
      const { expected } = this.#expect(new CallModel(session, null, true), callNo, ['ok']);
      await this.#ends(`${what} with a run`, expected, callNo, way.run(session, callNo, patch, null));
    }
    session.answer();
  }

  async #reset(session: SessionModel): Promise<void> {
    if (session.isPatching) return;
    session.isPatching = true;
    await this.#emptied('reset', this.#stage.sockets, session);
    session.isPatching = false;
  }

  async #delete(way: Ways, session: SessionModel): Promise<void> {
    if (session.isPatching) return;
    session.beginClear();
    await this.#emptied('delete', way, session);
    session.answer();
  }

  async #emptied(how: 'reset' | 'delete', way: Ways, session: SessionModel): Promise<void> {
    session.resets++;
    session.resetting++;
    await this.#count(how, way.empty(session, how));
    session.resetting--;
  }

  #expect(model: CallModel, callNo: number, script: Word[]) {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const mayWait = script.length > 1;
    const onDispatch: Expected['onDispatch'] = (attempt) => {
      if (attempt > 0) return;
      resolve();
      return mayWait ? released : undefined;
    };
    const expected: Expected = { model, script, onDispatch, attempts: 0 };
    this.#stage.recorder.calls.set(callNo, expected);
    return { expected, arrived, release };
  }

  async #ends(what: string, expected: Expected, callNo: number, run: Promise<string | null>): Promise<void> {
    const { session, resets } = expected.model;
    const problem = await run;
    this.done[what] = (this.done[what] ?? 0) + 1;
    if (problem !== null && session.resets === resets)
      this.problems.push(`${what} ${callNo} in ${expected.model.session.key}: ${problem}`);
    // What is still on its way belongs to nobody who waits; a drain may bring it late.
    if (what !== 'aborted run') this.#stage.recorder.calls.delete(callNo);
  }

  async #count(what: string, doing: Promise<void>): Promise<void> {
    await doing;
    this.done[what] = (this.done[what] ?? 0) + 1;
  }
}

/** One caller over HTTP: a connection for each request that is on its way at once. */
class Http implements Ways {
  readonly isSerial = false;
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #idle: Caller[] = [];

  constructor(stage: Stage, random: Random) {
    this.#stage = stage;
    this.#random = random;
  }

  async run(
    session: SessionModel,
    callNo: number,
    patch: Patch | undefined,
    abort: Promise<void> | null,
  ): Promise<string | null> {
    const { script } = this.#stage.recorder.calls.get(callNo)!;
    const doors = script.includes('next') ? FALLING : script.includes('retry') ? RETRYING : DOORS;
    const { path, body } = pick(this.#random, doors);
    const caller = this.#caller();
    const headers = {
      'x-openclaw-session-key': session.key,
      ...(patch === undefined ? {} : { [HEADER]: JSON.stringify(patch) }),
    };
    const exchange = caller.post(path, { body: body(textOf(callNo)), headers });
    if (abort !== null) {
      await Promise.race([abort, exchange.over]);
      caller.hangUp();
      return null;
    }
    const end = await exchange.over;
    this.#leave(caller);
    if (exchange.status === 200 && end === 'complete') return null;
    return `${path}: ${exchange.status} ${end} ${exchange.text.slice(0, 300)}`;
  }

  async reconnect(): Promise<void> {
    this.close();
  }

  async patch(session: SessionModel, patch: Patch): Promise<void> {
    await this.#change('PATCH', session, { outboundHeaders: patch });
  }

  async empty(session: SessionModel): Promise<void> {
    await this.#change('DELETE', session, {});
  }

  close(): void {
    for (const caller of this.#idle.splice(0)) caller.close();
  }

  async #change(method: 'PATCH' | 'DELETE', { key }: SessionModel, body: object): Promise<void> {
    const caller = this.#caller();
    const exchange = caller.send(method, `/api/v1/sessions/${encodeURIComponent(key)}`, { body });
    await exchange.over;
    this.#leave(caller);
    if (exchange.status === 200 || (method === 'DELETE' && exchange.status === 404)) return;
    throw new Error(`${method} ${key}: ${exchange.status} ${exchange.text}`);
  }

  /** For the next request, which may also go to another gateway. */
  #leave(caller: Caller): void {
    if (this.#random() < 0.5) this.#idle.push(caller);
    else this.#idle.unshift(caller);
  }

  #caller(): Caller {
    const known = this.#idle.pop();
    if (known !== undefined) return known;
    const { url, token } = pick(this.#random, this.#stage.gateways);
    return new Caller(url, token);
  }
}
