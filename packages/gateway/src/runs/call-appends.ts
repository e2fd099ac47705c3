/**
 * Keyed HTTP calls on their way into their sessions' transcripts, after their ends. No call waits for this and none fails
 * for it: what the database does not take is counted and told, what is too much is dropped and counted.
 */
import type { GatewayConfig } from '../domain/config.ts';
import type { Attribution } from '../domain/entry.ts';
import type { Clock } from '../lib/clock.ts';
import { siblingId } from '../lib/ids.ts';
import { keptText } from '../sessions/kept-text.ts';
import type { AppendInput } from '../sessions/scripts.ts';
import type { NewMessage } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Heard } from './heard-answer.ts';
import { saidIn } from './said.ts';

/** Written together, at most. */
const AT_ONCE = 64;

export interface CallAppendsDeps {
  sessions: Pick<Sessions, 'append'>;
  clock: Clock;
  config: () => Pick<GatewayConfig, 'sessions'>;
  /** Told of each call whose text is in no transcript: too many at once, or refused by the database. */
  report: (error: unknown) => void;
}

/** A call that has ended. */
export interface EndedCall {
  runId: string;
  attribution: Pick<Attribution, 'tenantId' | 'sessionKey' | 'sessionId'>;
  /** The content of its last user message. */
  asked: unknown;
  startedAt: number;
  heard: Heard;
}

export class CallAppends {
  readonly #deps: CallAppendsDeps;
  readonly #waiting: Omit<AppendInput, 'now'>[] = [];
  #writing: Promise<void> | null = null;

  constructor(deps: CallAppendsDeps) {
    this.#deps = deps;
  }

  get wanted(): boolean {
    return this.#deps.config().sessions.httpTurns;
  }

  /** Text of one message, bytes. */
  get bytesMax(): number {
    return this.#deps.config().sessions.messageBytesMax;
  }

  add(call: EndedCall): void {
    if (this.#waiting.length >= this.#deps.config().sessions.appendsMax) {
      this.#deps.report(new Error('`sessions.appendsMax` calls wait to be appended already'));
      return;
    }
    this.#waiting.push(this.#inputOf(call));
    this.#writing ??= this.#write();
  }

  /** Resolves when what waits is written or lost. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, AT_ONCE);
      await Promise.all(some.map((input) => this.#append(input)));
    }
    this.#writing = null;
  }

  async #append(input: Omit<AppendInput, 'now'>): Promise<void> {
    try {
      // Absent: its session was deleted while it ran, and what it said goes with it.
      await this.#deps.sessions.append(input);
    } catch (error) {
      this.#deps.report(error);
    }
  }

  #inputOf({ runId, attribution, asked, startedAt, heard }: EndedCall): Omit<AppendInput, 'now'> {
    const { outcome, text, omitted, stopReason } = heard;
    const question = saidIn(asked);
    const user: NewMessage = {
      role: 'user',
      ...keptText(question.text, this.bytesMax),
      ...(question.omitted > 0 ? { omitted: question.omitted } : {}),
    };
    const assistant: NewMessage = {
      role: 'assistant',
      ...keptText(text, this.bytesMax),
      outcome,
      stopReason,
      ...(omitted > 0 ? { omitted } : {}),
    };
    const hasReply = text !== '' || outcome === 'completed';
    const at = this.#deps.clock.now();
    const messages = [
      { ...user, messageId: siblingId(runId, 'msg'), at: startedAt, runId },
      { ...assistant, messageId: siblingId(runId, 'rep'), at, runId },
    ];
    return {
      tenantId: attribution.tenantId,
      sessionKey: attribution.sessionKey!,
      sessionId: attribution.sessionId!,
      laneHolder: null,
      runId,
      startedAt,
      outcome,
      messages: hasReply ? messages : [],
    };
  }
}
