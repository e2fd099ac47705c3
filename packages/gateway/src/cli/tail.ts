/**
 * `tail`: the event log, live, a line for each event, until Ctrl-C. Where the connection breaks it is taken up at the event
 * after the last one shown, so none is missing and none comes twice.
 */

import type { EventEnvelope } from '@weighbridge/protocol';
import { type DispatchRecord, OUTCOMES, promptTokens } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { type FilterFlags, filtersOf, withFilterOptions } from './filters.ts';
import { countText, dollarsText, millisecondsText, timeText, UNKNOWN } from './format.ts';
import { type SourceFlags, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { cellText } from './table.ts';

type Flags = SourceFlags & FilterFlags & { json?: boolean; types?: string; after?: string };

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  withFilterOptions(withSourceOptions(command), OUTCOMES)
    .option('--types <types>', 'only these types of event, with commas; all of them otherwise')
    .option('--after <seq>', 'begin after this event, not with the next; 0 is the beginning')
    .action(async (flags: Flags) => {
      const afterSeq = flags.after === undefined ? undefined : seqOf(flags.after);
      const types = flags.types?.split(',').map((type) => type.trim());
      const filters = filtersOf(flags, OUTCOMES);
      const stop = new AbortController();
      surroundings.onInterrupt(() => stop.abort());
      const shown = await withGateway(flags, surroundings, async (gateway) => {
        const { signal } = stop;
        for await (const event of gateway.events({ ...filters, types, afterSeq, signal })) {
          await surroundings.write(flags.json ? `${JSON.stringify(event)}\n` : `${eventLine(event)}\n`);
        }
        return true;
      });
      if (shown === null) throw new Failure('no gateway runs here, so nothing happens; --url follows another.');
      finish(EXIT.ok);
    });
}

/** One event for people: when, which, and of a dispatch who, how much and for what. */
export function eventLine({ seq, type, timestamp, data }: EventEnvelope): string {
  const head = `${timeText(timestamp)}  ${String(seq).padStart(6)}  `;
  if (!isDispatch(type, data)) return `${head}${type}  ${cellText(JSON.stringify(data ?? null))}`;
  const { usage, cost, outcome, errorKind } = data;
  const tokens = usage === null ? UNKNOWN : `${countText(promptTokens(usage))} + ${countText(usage.output)} tokens`;
  const who = [data.agentId, data.sessionKey, data.endUserId].filter((name) => name !== null);
  const parts = [
    type === 'model.usage' ? null : `corrected: ${data.reason ?? ''}`,
    `${data.provider}/${data.model}`,
    errorKind === null ? outcome : `${outcome} (${errorKind})`,
    tokens,
    dollarsText(cost?.usd ?? null),
    millisecondsText(data.latencyMs),
    who.length === 0 ? null : who.join(' '),
    data.dispatchId,
  ];
  return head + parts.flatMap((part) => (part === null ? [] : cellText(part))).join('  ');
}

function isDispatch(type: string, data: unknown): data is DispatchRecord {
  return type.startsWith('model.usage') && data !== null;
}

function seqOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure('--after must be the number of an event, 0 or more.', EXIT.usage);
}
