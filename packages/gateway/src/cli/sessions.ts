/**
 * `sessions list|show|export|delete`: what is remembered under session keys. Asks the running gateway, whose sessions these
 * are; an export goes to stdout line by line, so that it can stand before a pipe.
 */
import { ApiError, type WeighbridgeClient } from '@weighbridge/client';
import type { SessionInfo, TranscriptEntry } from '@weighbridge/protocol';
import type { Command } from 'commander';
import { countText, dollarsText, timeText, UNKNOWN } from './format.ts';
import { type SourceFlags, withGateway, withSourceOptions } from './source.ts';
import { EXIT, Failure, type Surroundings } from './surroundings.ts';
import { type Column, plainText, renderTable } from './table.ts';

type Flags = SourceFlags & { json?: boolean; tenant?: string };
type ListFlags = Flags & { agent?: string; search?: string; limit: string };

const NOBODY = 'no gateway runs here; --url asks another';
const SHOWN_MESSAGES = 20;
const PAGE = 1000;

const COLUMNS: readonly Column[] = [
  { title: 'changed', align: 'left' },
  { title: 'session', align: 'left' },
  { title: 'tenant', align: 'left' },
  { title: 'label', align: 'left' },
  { title: 'messages', align: 'right' },
  { title: 'dispatches', align: 'right' },
  { title: 'tokens', align: 'right' },
  { title: 'cost', align: 'right' },
];

export function define(command: Command, surroundings: Surroundings, finish: (exitCode: number) => void): void {
  const one = (verb: string, description: string) =>
    withSourceOptions(command.command(`${verb} <key>`).description(description)).option(
      '--tenant <id>',
      'whose session; `default` unless told',
    );
  withSourceOptions(command.command('list').description('sessions, the last changed first'))
    .option('--tenant <id>', 'only of this tenant')
    .option('--agent <id>', 'only of this agent')
    .option('--search <text>', 'in the key or the label')
    .option('--limit <n>', 'so many', '50')
    .action(async (flags: ListFlags) => {
      await list(flags, surroundings);
      finish(EXIT.ok);
    });
  one('show', 'what is set, what it used, and its last messages').action(async (key: string, flags: Flags) => {
    await show(key, flags, surroundings);
    finish(EXIT.ok);
  });
  one('export', 'its transcript in OpenClaw’s lines of JSON').action(async (key: string, flags: Flags) => {
    await exportLines(key, flags, surroundings);
    finish(EXIT.ok);
  });
  one('delete', 'forget it and its transcript; the ledger stays')
    .option('--transcript-only', 'the messages alone')
    .action(async (key: string, flags: Flags & { transcriptOnly?: boolean }) => {
      await remove(key, flags, surroundings);
      finish(EXIT.ok);
    });
}

async function list({ agent, search, limit, ...flags }: ListFlags, surroundings: Surroundings): Promise<void> {
  const max = Number(limit);
  if (!Number.isInteger(max) || max < 1) throw new Failure('--limit must be a whole number from 1.', EXIT.usage);
  const found = await asking(flags, surroundings, async (gateway) => {
    const sessions: SessionInfo[] = [];
    for (let cursor: string | undefined; sessions.length < max; ) {
      const query = { agent, search, cursor, tenant: flags.tenant, limit: Math.min(PAGE, max - sessions.length) };
      const page = await gateway.sessions(query);
      sessions.push(...page.data);
      cursor = page.nextCursor ?? undefined;
      if (cursor === undefined) break;
    }
    return sessions;
  });
  const { stdout } = surroundings;
  if (flags.json) stdout(`${JSON.stringify({ object: 'list', data: found, hasMore: false, nextCursor: null })}\n`);
  else stdout(renderTable(COLUMNS, found.map(rowOf)));
}

function rowOf({ updatedAt, sessionKey, tenantId, label, messages, usageTotal }: SessionInfo): string[] {
  return [
    timeText(updatedAt),
    sessionKey,
    tenantId,
    label ?? UNKNOWN,
    countText(messages),
    countText(usageTotal.dispatches),
    countText(usageTotal.total),
    dollarsText(usageTotal.cost?.usd ?? null),
  ];
}

async function show(key: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  const { session, messages } = await asking(flags, surroundings, async (gateway) => {
    const of = { tenant: flags.tenant };
    const found = await gateway.session(key, of).catch(notThere(key));
    return { session: found, messages: (await gateway.transcript(key, { ...of, limit: SHOWN_MESSAGES })).data };
  });
  if (flags.json) return surroundings.stdout(`${JSON.stringify({ ...session, transcript: messages })}\n`);
  const overrides = Object.entries(session.overrides).map(([name, value]) => `${name}=${value}`);
  const facts: [string, string][] = [
    ['session', session.sessionKey],
    ['id', session.sessionId],
    ['tenant', session.tenantId],
    ['label', session.label ?? UNKNOWN],
    ['overrides', overrides.join(', ') || UNKNOWN],
    ['outbound headers', session.outboundHeaders.join(', ') || UNKNOWN],
    ['last run', session.lastRunAt === null ? UNKNOWN : `${timeText(session.lastRunAt)} ${session.lastOutcome}`],
    ['tokens, last run', countText(session.usageLast?.total ?? null)],
    ['tokens, all runs', countText(session.usageTotal.total)],
    ['cost, all runs', dollarsText(session.usageTotal.cost?.usd ?? null)],
  ];
  const lines = facts.map(([name, value]) => `${name.padEnd(18)}${plainText(value)}\n`);
  surroundings.stdout(`${lines.join('')}\n${messages.map(messageText).join('')}`);
}

function messageText({ at, role, text, outcome }: TranscriptEntry): string {
  const how = outcome === undefined || outcome === 'completed' ? '' : ` (${outcome})`;
  return `${timeText(at)} ${role}${how}: ${plainText(text)}\n`;
}

async function exportLines(key: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  await asking(flags, surroundings, async (gateway) => {
    const lines = await gateway.exportTranscript(key, { tenant: flags.tenant }).catch(notThere(key));
    const decoder = new TextDecoder();
    for await (const bytes of lines) await surroundings.write(decoder.decode(bytes, { stream: true }));
  });
}

async function remove(
  key: string,
  flags: Flags & { transcriptOnly?: boolean },
  surroundings: Surroundings,
): Promise<void> {
  const query = { tenant: flags.tenant, transcriptOnly: flags.transcriptOnly };
  const gone = await asking(flags, surroundings, (gateway) => gateway.deleteSession(key, query).catch(notThere(key)));
  const what = gone.deleted === 'session' ? 'the session' : 'the transcript of';
  surroundings.stdout(flags.json ? `${JSON.stringify(gone)}\n` : `${what} ${plainText(key)} is deleted.\n`);
}

async function asking<Answer>(
  flags: Flags,
  surroundings: Surroundings,
  question: (gateway: WeighbridgeClient) => Promise<Answer>,
): Promise<Answer> {
  const answer = await withGateway(flags, surroundings, async (gateway) => ({ said: await question(gateway) }));
  if (answer === null) throw new Failure(`${NOBODY}.`);
  return answer.said;
}

function notThere(key: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    throw new Failure(`there is no session ${plainText(key)}; \`sessions list\` shows those there are.`);
  };
}
