/**
 * How much room is left where the database lies, looked at on a timer: the log hears of it before SQLite does, and below a
 * floor the gateway refuses calls while what is in flight can still be written. Knows nothing of SQL.
 */
import { statfs } from 'node:fs/promises';

export interface DiskView {
  freeBytes: number;
  usedPercent: number;
  /** Less is free than the floor: no call is taken. */
  belowFloor: boolean;
}

export interface DiskSpaceOptions {
  folder: string;
  freeBytesMin: () => number;
  /** The highest of the marks that is passed, or null again; once for each change. */
  onMark: (mark: number | null, view: DiskView) => void;
  onFloor: (isBelow: boolean, view: DiskView) => void;
}

/** Looking costs microseconds; other programs can fill a disk fast. */
const LOOK_EVERY_MS = 1_000;
/** Percent in use at which the log hears of it. */
const MARKS = [95, 90, 80] as const;
/** A mark is left again this far below it, the floor this far above it, or each byte would be a change. */
const MARK_SLACK = 1;
const FLOOR_SLACK = 1.1;

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #view: DiskView | null = null;
  #mark: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Null until it was looked at, and where the file system does not say. */
  get view(): DiskView | null {
    return this.#view;
  }

  get belowFloor(): boolean {
    return this.#view?.belowFloor ?? false;
  }

  /** Looks now and goes on looking. */
  async start(): Promise<this> {
    await this.look();
    return this;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async look(): Promise<void> {
    try {
      const { bsize, blocks, bfree, bavail } = await statfs(this.#options.folder);
      const usable = blocks - bfree + bavail;
      if (usable > 0) this.#seen(bavail * bsize, (100 * (blocks - bfree)) / usable);
    } catch {
      // A file system that does not answer says nothing; a write that fails will.
      this.#view = null;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  #seen(freeBytes: number, usedPercent: number): void {
    const { onMark, onFloor, freeBytesMin } = this.#options;
    const was = this.belowFloor;
    const floor = freeBytesMin() * (was ? FLOOR_SLACK : 1);
    const view = { freeBytes, usedPercent: Math.round(usedPercent * 10) / 10, belowFloor: freeBytes < floor };
    this.#view = view;
    const mark = markOf(usedPercent, this.#mark);
    if (mark !== this.#mark) onMark(mark, view);
    this.#mark = mark;
    if (view.belowFloor !== was) onFloor(view.belowFloor, view);
  }
}

/** The mark in force, given the one before. */
export function markOf(usedPercent: number, before: number | null): number | null {
  return MARKS.find((mark) => usedPercent >= (before !== null && before >= mark ? mark - MARK_SLACK : mark)) ?? null;
}
