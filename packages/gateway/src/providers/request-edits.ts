/**
 * The edits that doors make to a caller's request, by splicing: whatever the dialect, the model gets the provider's own
 * name, and an agent's instructions go before the caller's. Nothing is re-serialised, so a field we have never heard of
 * arrives as it was written.
 */
import { type Edit, findMember, type Member, type ObjectScan, splice } from '../lib/json-splice.ts';

const COMMA = Buffer.from(',');
const COLON = Buffer.from(':');
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const QUOTE = 0x22;

export class RequestEdits {
  readonly #body: Buffer;
  readonly #scan: ObjectScan;
  readonly #edits: Edit[] = [];
  /** Members to be added, before the caller's own. */
  readonly #added: Buffer[] = [];

  constructor(body: Buffer, scan: ObjectScan) {
    this.#body = body;
    this.#scan = scan;
  }

  /** Sets a member, in the place that it has or as a new one. `value` is JSON. */
  set(key: string, value: Buffer): void {
    const given = findMember(this.#scan, key);
    if (given !== null) this.replace({ start: given.start, end: given.end, bytes: value });
    else this.#added.push(Buffer.concat([Buffer.from(JSON.stringify(key)), COLON, value]));
  }

  replace(edit: Edit): void {
    this.#edits.push(edit);
  }

  setModel(model: string): void {
    this.set('model', Buffer.from(JSON.stringify(model)));
  }

  /** Puts an element before those of an array. Returns false where there is none of that name. */
  leadArray(key: string, element: Buffer): boolean {
    const array = findMember(this.#scan, key);
    if (array === null || this.#body[array.start] !== OPEN_BRACKET) return false;
    const at = array.start + 1;
    let next = at;
    while (this.#body[next]! <= 0x20) next++;
    const isEmpty = this.#body[next] === CLOSE_BRACKET;
    this.replace({ start: at, end: at, bytes: isEmpty ? element : Buffer.concat([element, COMMA]) });
    return true;
  }

  /**
   * Puts a text, given as a JSON string, before the one under that name, or in its place where there is none (`null` is
   * none). Returns false where something else is there.
   */
  leadText(key: string, text: Buffer): boolean {
    const given = findMember(this.#scan, key);
    if (given === null || this.#isEmpty(given)) {
      this.set(key, text);
      return true;
    }
    if (this.#body[given.start] !== QUOTE) return false;
    const at = given.start + 1;
    this.replace({ start: at, end: at, bytes: Buffer.concat([text.subarray(1, -1), PARAGRAPH]) });
    return true;
  }

  applied(): Buffer {
    const { members, insertAt } = this.#scan;
    if (this.#added.length > 0) {
      const parts = this.#added.flatMap((member, index) => (index === 0 ? [member] : [COMMA, member]));
      if (members.length > 0) parts.push(COMMA);
      this.replace({ start: insertAt, end: insertAt, bytes: Buffer.concat(parts) });
    }
    return splice(this.#body, this.#edits);
  }

  #isEmpty({ start, end }: Member): boolean {
    const text = this.#body.toString('latin1', start, Math.min(end, start + 5));
    return text === 'null' || text === '""';
  }
}

/** Between two texts, as JSON has it. */
const PARAGRAPH = Buffer.from('\\n\\n');
