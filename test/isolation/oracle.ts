/**
 * What each session's dispatches must carry, known without asking the gateway. Each session has a row of versions: what its
 * outbound headers are after each patch. A run must carry one version that was in force somewhere between the moment the
 * call was sent and the moment its first dispatch arrived, all of it, and the same one on each of its dispatches. Values
 * name their session and version, so that whatever is wrong says where it came from.
 */

/** Set by patches, one patch of a session after the other. */
export const PATCHED = ['x-iso-a', 'x-iso-b', 'x-iso-c'] as const;
/** Set by the calls themselves, any number of a session at once. */
export const OWN = 'x-iso-call';
/** Written by the gateway for each dispatch: `contextHeaders`. */
export const CONTEXT = { session: 'x-ctx-session', dispatch: 'x-ctx-dispatch' } as const;

export type Headers = Readonly<Record<string, string>>;
export type Patch = null | Readonly<Record<string, string | null>>;

/** What a provider takes: all, or of these names only (its own list; as a fallback without one, none). */
export type Taken = 'all' | readonly string[];

export class SessionModel {
  readonly index: number;
  readonly key: string;
  /** By version; the last may not be in force yet. */
  readonly #versions: Headers[] = [{}];
  /** The last version whose patch was answered. */
  answered = 0;
  /** A patch is on its way, or a reset, which would end the run that brings one. */
  isPatching = false;
  /** A reset ends the runs that go over sockets. */
  resets = 0;
  /** Of these on their way: one may still end a run that begins behind it on another socket. */
  resetting = 0;

  constructor(index: number) {
    this.index = index;
    this.key = `agent:iso:s${index}`;
  }

  /** The last version that may be in force. */
  get sent(): number {
    return this.#versions.length - 1;
  }

  /** A patch that is about to be sent; `values` says which names get one, the rest of the named ones go. */
  begin(names: readonly string[], gone: readonly string[]): Patch {
    const version = this.#versions.length;
    const patch: Record<string, string | null> = {};
    for (const name of names) patch[name] = `s${this.index}.v${version}.${name}`;
    for (const name of gone) patch[name] = null;
    const next = Object.entries({ ...this.#versions.at(-1), ...patch }).filter(([, value]) => value !== null);
    this.#begin(Object.fromEntries(next) as Headers);
    return patch;
  }

  /** The whole is cleared, or the session deleted. */
  beginClear(): null {
    this.#begin({});
    return null;
  }

  answer(): void {
    this.answered = this.sent;
    this.isPatching = false;
  }

  #begin(next: Headers): void {
    this.isPatching = true;
    this.#versions.push(next);
  }

  /** The versions in a range that look like this to a provider that takes these names. */
  matching(from: number, to: number, seen: Headers, taken: Taken): Set<number> {
    const found = new Set<number>();
    for (let version = from; version <= to; version++) {
      if (isSame(this.#versions[version]!, seen, taken)) found.add(version);
    }
    return found;
  }
}

/** One call, from the moment it is sent. */
export class CallModel {
  readonly session: SessionModel;
  /** Its own value of OWN; null: it sends none. */
  readonly own: string | null;
  /** Of its session, when it was sent. */
  /** The session's when it began; -1: it may be ended by one that had begun before. */
  readonly resets: number;
  readonly #from: number;
  /** What its first dispatch may have been; null before it came. */
  #versions: Set<number> | null = null;
  #ownSeen: string | undefined;

  /** `patches`: it brings the patch that is on its way. */
  constructor(session: SessionModel, own: string | null, patches = false) {
    this.session = session;
    this.own = own;
    this.resets = session.resetting > 0 ? -1 : session.resets;
    this.#from = patches ? session.sent : session.answered;
  }

  /** What is wrong about a dispatch of this call; null: nothing. */
  judge(headers: ReadonlyMap<string, string>, taken: Taken): string | null {
    const seen: Record<string, string> = {};
    for (const [name, value] of headers) if (name.startsWith('x-iso-') && name !== OWN) seen[name] = value;
    const { session } = this;
    const isFirst = this.#versions === null;
    const matching = session.matching(this.#from, session.sent, seen, taken);
    const possible = isFirst ? matching : both(matching, this.#versions!);
    const shown = JSON.stringify(Object.fromEntries(headers));
    if (possible.size === 0) {
      const wanted = isFirst ? `v${this.#from}..v${session.sent}` : `v${[...this.#versions!].join('/v')}`;
      return `${session.key}: ${shown} is no state of ${wanted}${isFirst ? '' : ', with which its run began'}`;
    }
    this.#versions = possible;
    if (headers.get(CONTEXT.session) !== session.key) return `${session.key}: its context says ${shown}`;
    return this.#judgeOwn(headers.get(OWN), taken, isFirst);
  }

  #judgeOwn(seen: string | undefined, taken: Taken, isFirst: boolean): string | null {
    const { session, own } = this;
    if (taken !== 'all' && !taken.includes(OWN)) return seen === undefined ? null : `${session.key}: ${OWN} went along`;
    if (own !== null) return seen === own ? null : `${session.key}: ${OWN} is ${seen}, not its own ${own}`;
    if (!isFirst) return seen === this.#ownSeen ? null : `${session.key}: ${OWN} changed to ${seen} within a run`;
    this.#ownSeen = seen;
    if (seen === undefined || seen.startsWith(`s${session.index}.`)) return null;
    return `${session.key}: ${OWN} is ${seen}, of another session`;
  }
}

function both(one: ReadonlySet<number>, other: ReadonlySet<number>): Set<number> {
  return new Set([...one].filter((version) => other.has(version)));
}

function isSame(state: Headers, seen: Headers, taken: Taken): boolean {
  const names = Object.keys(state).filter((name) => name !== OWN && (taken === 'all' || taken.includes(name)));
  return names.length === Object.keys(seen).length && names.every((name) => state[name] === seen[name]);
}
