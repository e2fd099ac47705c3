/**
 * The last lines of a text that never ends, for people who ask what was said lately. Bounded in lines and in the length of
 * one; places are counted in bytes from the beginning, so that who asks again gets what is new.
 */

const LINE_CHARACTERS_MAX = 4_096;

export interface LinePage {
  lines: string[];
  /** Ask with it again. */
  cursor: number;
  /** Lines between the asked place and the first given one are gone, or did not fit. */
  truncated: boolean;
  /** The asked place is not one of this text: it begins anew. */
  reset: boolean;
}

export interface LineQuestion {
  cursor?: number;
  limit: number;
  bytesMax: number;
}

export class LineRing {
  readonly #linesMax: () => number;
  readonly #lines: { text: string; start: number }[] = [];
  #size = 0;

  constructor(linesMax: () => number) {
    this.#linesMax = linesMax;
  }

  /** Bytes that ever came. */
  get size(): number {
    return this.#size;
  }

  write(line: string): void {
    const text = line.trimEnd();
    this.#lines.push({
      text: text.length > LINE_CHARACTERS_MAX ? `${text.slice(0, LINE_CHARACTERS_MAX)}…` : text,
      start: this.#size,
    });
    this.#size += Buffer.byteLength(line);
    while (this.#lines.length > this.#linesMax()) this.#lines.shift();
  }

  /** The last of what came behind the cursor. */
  page({ cursor, limit, bytesMax }: LineQuestion): LinePage {
    const reset = cursor !== undefined && cursor > this.#size;
    const from = cursor === undefined || reset ? 0 : cursor;
    const behind = this.#lines.filter(({ start }) => start >= from);
    const kept: string[] = [];
    let bytes = 0;
    for (const { text } of behind.toReversed()) {
      bytes += Buffer.byteLength(text) + 1;
      if (kept.length === limit || bytes > bytesMax) break;
      kept.unshift(text);
    }
    const isWhole = kept.length === behind.length && (behind[0]?.start ?? this.#size) <= from;
    return { lines: kept, cursor: this.#size, truncated: !isWhole, reset };
  }
}
