/**
 * The note file: what may wait for its transaction but not be forgotten. A note is one line in a file of the operating
 * system's cache, written by the main thread in a few microseconds; from then on it survives the death of this process,
 * and a commit can follow together with others (see `CommitQueue.note`). What a dead process noted is read by the next one.
 *
 * Notes go to two files in turn. A file is emptied only when everything in it is committed, so a note is gone no sooner
 * than it is a row. What is read again may be committed already: scripts that are noted must not mind a repeat, as none may
 * on PostgreSQL. Inputs are kept as JSON.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

export interface Note {
  script: string;
  input: unknown;
}

/** So much in one file before notes go to the other, if that has been emptied. */
const FILE_BYTES = 1 << 20;
/** After this long without a note what is committed is taken off the disk. */
const IDLE_MS = 1000;

interface NoteFile {
  descriptor: number;
  bytes: number;
  /** Notes in it whose commit is not known. */
  open: number;
}

/** Which file a note lies in. */
export type Noted = NoteFile;

export class Notes {
  readonly #files: [NoteFile, NoteFile];
  #current: NoteFile;
  #lastAt = 0;
  #tidying: NodeJS.Timeout | null = null;

  /** To be opened by the owner of the database's lock, after what was left has been committed. */
  constructor(database: string) {
    const [first, second] = filesOf(database).map(openEmpty) as [NoteFile, NoteFile];
    this.#files = [first, second];
    this.#current = first;
  }

  /** When it returns, the note survives this process. Throws what the file system says. */
  take(note: Note): Noted {
    const file = this.#fileWithRoom();
    append(file, lineOf(note));
    file.open++;
    this.#lastAt = performance.now();
    this.#tidying ??= setTimeout(() => this.#tidy(), IDLE_MS).unref();
    return file;
  }

  /** It is committed, or was refused for good. */
  done(file: Noted): void {
    file.open--;
  }

  /** What is not committed stays for the next start. */
  close(): void {
    if (this.#tidying !== null) clearTimeout(this.#tidying);
    for (const file of this.#files) {
      emptyIfDone(file);
      closeSync(file.descriptor);
    }
  }

  #fileWithRoom(): NoteFile {
    if (this.#current.bytes < FILE_BYTES) return this.#current;
    const other = this.#current === this.#files[0] ? this.#files[1] : this.#files[0];
    // A commit that hangs makes a file longer, never a note shorter-lived.
    if (other.open > 0) return this.#current;
    emptyIfDone(other);
    this.#current = other;
    return other;
  }

  /** Old notes must not outlive what later happens to their rows. */
  #tidy(): void {
    this.#tidying = null;
    if (performance.now() - this.#lastAt >= IDLE_MS) for (const file of this.#files) emptyIfDone(file);
    if (this.#files.some(({ bytes }) => bytes > 0)) {
      this.#tidying = setTimeout(() => this.#tidy(), IDLE_MS).unref();
    }
  }
}

/** What a process that died left: each file in its order; may hold what was committed. */
export function leftNotes(database: string): Note[] {
  return filesOf(database).flatMap((file) => (existsSync(file) ? notesIn(readFileSync(file, 'utf8')) : []));
}

export function removeNotes(database: string): void {
  for (const file of filesOf(database)) rmSync(file, { force: true });
}

function filesOf(database: string): string[] {
  return [`${database}-notes-a`, `${database}-notes-b`];
}

function openEmpty(path: string): NoteFile {
  const descriptor = openSync(path, 'a', 0o600);
  ftruncateSync(descriptor);
  return { descriptor, bytes: 0, open: 0 };
}

function emptyIfDone(file: NoteFile): void {
  if (file.open > 0 || file.bytes === 0) return;
  ftruncateSync(file.descriptor);
  file.bytes = 0;
}

/** All of it or nothing: half a line of a full disk is taken back. */
function append(file: NoteFile, line: string): void {
  const bytes = Buffer.byteLength(line);
  let written = 0;
  try {
    written = writeSync(file.descriptor, line);
  } finally {
    if (written === bytes) file.bytes += bytes;
    else file.bytes = cutBack(file);
  }
  if (written !== bytes) throw new Error('no space left for a note');
}

function cutBack(file: NoteFile): number {
  try {
    ftruncateSync(file.descriptor, file.bytes);
    return file.bytes;
  } catch {
    // What it is stays there as a line that says nothing: each note begins on its own.
    return fstatSync(file.descriptor).size;
  }
}

function lineOf({ script, input }: Note): string {
  const text = JSON.stringify([script, input]);
  return `\n${crc32(text).toString(16)} ${text}`;
}

function notesIn(text: string): Note[] {
  return text.split('\n').flatMap((line) => {
    const space = line.indexOf(' ');
    const written = line.slice(space + 1);
    // A line that broke off with its process: whoever wrote it was not told that it is there.
    if (space < 1 || crc32(written).toString(16) !== line.slice(0, space)) return [];
    const [script, input] = JSON.parse(written) as [string, unknown];
    return [{ script, input }];
  });
}
