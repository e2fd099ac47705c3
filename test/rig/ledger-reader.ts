/**
 * Reads a gateway's database file with plain SQL of its own, past every room of the gateway, so that what is compared with
 * the provider's journal is what is on disk and not what the program says is on disk.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { runOn } from './postgres-server.ts';

export interface StoredEntry {
  entryId: string;
  dispatchId: string;
  kind: string;
  /** Of a correction: why it was made. */
  reason: string | null;
  instanceId: string;
  outcome: string | null;
  usageSource: string | null;
  errorKind: string | null;
  httpStatus: number | null;
  model: string;
  attempt: number;
  seq: number | null;
  settledAt: number | null;
  input: number | null;
  output: number | null;
  cacheRead: number | null;
  reasoning: number | null;
  costNanoUsd: number | null;
}

export class LedgerReader {
  readonly #db: DatabaseSync;

  constructor(file: string | DatabaseSync) {
    this.#db = typeof file === 'string' ? new DatabaseSync(file, { readOnly: true, timeout: 5000 }) : file;
  }

  /** Reads a copy of what a PostgreSQL server holds, so that one set of checks judges both engines. */
  static async ofServer(url: string): Promise<LedgerReader> {
    const copy = new DatabaseSync(':memory:');
    for (const table of ['entries', 'rollups', 'events', 'instances']) {
      const rows = await runOn<Record<string, SQLInputValue>>(url, `select * from ${table}`);
      const columns = await runOn<{ name: string; type: string }>(
        url,
        `select column_name as name, data_type as type from information_schema.columns
         where table_schema = current_schema() and table_name = '${table}' order by ordinal_position`,
      );
      copy.exec(`create table ${table} (${columns.map(({ name, type }) => `"${name}" ${type}`).join(', ')})`);
      const insert = copy.prepare(`insert into ${table} values (${columns.map(() => '?').join(', ')})`);
      copy.exec('begin');
      for (const row of rows) insert.run(...columns.map(({ name }) => row[name]!));
      copy.exec('commit');
    }
    return new LedgerReader(copy);
  }

  entries(): StoredEntry[] {
    return this.#db
      .prepare(
        `select "entryId", "dispatchId", kind, reason, "instanceId", outcome, "usageSource", "errorKind", "httpStatus", model, attempt,
                seq, "settledAt", input, output, "cacheRead", reasoning, "costNanoUsd" from entries order by "entryId"`,
      )
      .all() as unknown as StoredEntry[];
  }

  /** Open entries whose process is not the youngest one. */
  openOfTheDead(): number {
    const row = this.#db
      .prepare(
        `select count(*) as n from entries where outcome is null and "instanceId" <>
           (select "instanceId" from instances order by "startedAt" desc, "instanceId" desc limit 1)`,
      )
      .get() as { n: number };
    return row.n;
  }

  count(): number {
    return (this.#db.prepare('select count(*) as n from entries').get() as { n: number }).n;
  }

  /** What is wrong in the file itself; empty when all is well. */
  inconsistencies(): string[] {
    const found: string[] = [];
    const integrity = this.#db.prepare('pragma integrity_check').all() as { integrity_check: string }[];
    if (integrity[0]?.integrity_check !== 'ok') found.push(`integrity check: ${JSON.stringify(integrity)}`);
    found.push(...this.#rollupDifferences(), ...this.#eventDifferences());
    return found;
  }

  close(): void {
    this.#db.close();
  }

  /** Rollups against sums over entries, in SQL written here and nowhere else. */
  #rollupDifferences(): string[] {
    const sums = ['input', 'output', '"cacheRead"', '"cacheWrite"', '"cacheWrite1h"', 'reasoning', '"costNanoUsd"'];
    const keys = '"tenantId", provider, model, "agentId", source, outcome';
    const kept = `select "tenantId", "bucketStart", provider, model, "agentId", source, outcome, sum(requests),
      ${sums.map((column) => `sum(${column})`).join(', ')} from rollups group by ${keys}, "bucketStart"`;
    const rebuilt = `select "tenantId", "settledAt" - "settledAt" % 900000, provider, model, coalesce("agentId", ''), source,
      outcome, sum(kind = 'usage'), ${sums.map((column) => `coalesce(sum(${column}), 0)`).join(', ')}
      from entries where outcome is not null
      group by ${keys}, "settledAt" - "settledAt" % 900000`;
    const missing = this.#db.prepare(`select * from (${rebuilt}) except select * from (${kept})`).all();
    const extra = this.#db.prepare(`select * from (${kept}) except select * from (${rebuilt})`).all();
    return [
      ...missing.map((row) => `rollup missing or different: ${JSON.stringify(row)}`),
      ...extra.map((row) => `rollup that no entry explains: ${JSON.stringify(row)}`),
    ];
  }

  /** One event per settled entry, numbered without a hole, in the order of their settlement times. */
  #eventDifferences(): string[] {
    const found: string[] = [];
    const events = this.#db
      .prepare(`select seq, subject, at from events where type like 'model.usage%' order by seq`)
      .all() as { seq: number; subject: string; at: number }[];
    const settled = this.entries().filter((entry) => entry.outcome !== null);
    const bySubject = new Map(events.map((event) => [event.subject, event]));
    if (bySubject.size !== events.length) found.push('two events for one entry');
    if (events.length !== settled.length) found.push(`${events.length} events for ${settled.length} settled entries`);
    for (const entry of settled) {
      if (bySubject.get(entry.entryId)?.seq !== entry.seq) found.push(`${entry.entryId}: its event has another seq`);
    }
    for (const [index, event] of events.entries()) {
      const before = events[index - 1];
      if (before !== undefined && event.at < before.at)
        found.push(`seq ${event.seq} is stamped before seq ${before.seq}`);
    }
    const all = this.#db.prepare('select count(*) as n, max(seq) as last from events').get() as {
      n: number;
      last: number;
    };
    if (all.n > 0 && all.n !== all.last) found.push(`${all.n} events, but the last seq is ${all.last}`);
    return found;
  }
}
