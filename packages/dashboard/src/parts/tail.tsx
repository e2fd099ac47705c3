/** Dispatches as they settle, newest first; older ones on demand. Each opens in full. */
import { useSignal } from '@preact/signals';
import type { DispatchRecord } from '@weighbridge/client';
import { look, looked } from '../address.ts';
import { periodNow } from '../answers.ts';
import { areOfTenants, serverNow } from '../facts.ts';
import { clock, compact, milliseconds, moment, money, NOTHING, whole } from '../format.ts';
import { askOlder, latest, listProblem, lookedThrough, olderCursor } from '../latest.ts';
import { messageOf } from '../problems.ts';
import { problem } from '../screen.ts';
import { DAY_MS } from '../zone.ts';
import { Exact } from './exact.tsx';
import { Headings } from './headings.tsx';

/** What is drawn at once, also where more came: nobody reads more, and each event would draw all. */
const DRAWN_LIVE = 25;

export function Tail() {
  const frozen = useSignal<readonly DispatchRecord[] | null>(null);
  const isLong = useSignal(false);
  const { isOpen } = periodNow(looked.value);
  const all = frozen.value ?? latest.value;
  const records = isLong.value ? all : all.slice(0, DRAWN_LIVE);
  const isOfTenants = areOfTenants(records);
  return (
    <section class="card tail" aria-label="Dispatches">
      <h2>
        {isOpen ? 'Latest dispatches' : 'Last dispatches of this range'}
        <button
          type="button"
          class="quiet"
          aria-pressed={frozen.value !== null}
          onClick={() => (frozen.value = frozen.value === null ? latest.peek() : null)}
        >
          {frozen.value === null ? 'Pause' : 'Go on'}
        </button>
      </h2>
      {listProblem.value === '' ? null : (
        <p class="note">The list could not be asked: {listProblem.value} It is asked again.</p>
      )}
      {records.length === 0 ? (
        listProblem.value === '' && <p class="note">{noneText()}</p>
      ) : (
        <section class="scroll" tabIndex={0} aria-label="Dispatches, newest first">
          <table class="list">
            <Headings
              of={[
                ['Settled'],
                ['Model', 'text'],
                ...(isOfTenants ? ([['Tenant', 'text minor']] as const) : []),
                ['Agent', 'text minor'],
                ['Session', 'text minor'],
                ['End user', 'text minor'],
                ['In'],
                ['Out'],
                ['Cost'],
                ['Took'],
                ['Outcome', 'text'],
              ]}
            />
            <tbody>
              {records.map((record) => (
                <Line key={record.entryId} record={record} isOfTenants={isOfTenants} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      {olderCursor.value !== null || all.length > records.length ? (
        <button
          type="button"
          class="quiet more"
          onClick={() => {
            if (!isLong.value && all.length > DRAWN_LIVE) isLong.value = true;
            else {
              isLong.value = true;
              askOlder().catch((error: unknown) => {
                problem.value = messageOf(error);
              });
            }
          }}
        >
          Older dispatches
        </button>
      ) : null}
    </section>
  );
}

function Line({ record, isOfTenants }: { record: DispatchRecord; isOfTenants: boolean }) {
  const { zone } = looked.value;
  const { usage, cost } = record;
  const settledMs = Date.parse(record.settledAt ?? record.startedAt);
  const prompt = usage === null ? null : usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h;
  return (
    <tr data-dispatch={record.dispatchId} onClick={() => look({ dispatchId: record.dispatchId })}>
      <td>
        <button type="button" class="name" aria-label={`Open the dispatch settled ${moment(settledMs, zone)}`}>
          <time dateTime={record.settledAt ?? ''}>
            {serverNow() - settledMs < DAY_MS ? clock(settledMs, zone) : moment(settledMs, zone)}
          </time>
        </button>
      </td>
      <td class="text clip" title={record.model}>
        {record.model}
      </td>
      {isOfTenants ? (
        <td class="text minor clip" title={record.tenantId}>
          {record.tenantId}
        </td>
      ) : null}
      <td class="text minor clip" title={record.agentId ?? ''}>
        {record.agentId ?? NOTHING}
      </td>
      <td class="text minor clip" title={record.sessionKey ?? ''}>
        {record.sessionKey ?? NOTHING}
      </td>
      <td class="text minor clip" title={record.endUserId ?? ''}>
        {record.endUserId ?? NOTHING}
      </td>
      <td>
        <Exact value={prompt}>{prompt === null ? NOTHING : compact(prompt)}</Exact>
      </td>
      <td>
        <Exact value={usage?.output ?? null}>{usage === null ? NOTHING : compact(usage.output)}</Exact>
      </td>
      <td>
        <Exact value={cost === null ? null : BigInt(cost.nanoUsd)}>{costOf(record)}</Exact>
      </td>
      <td>{milliseconds(record.latencyMs)}</td>
      <td class="text">
        <Outcome record={record} />
      </td>
    </tr>
  );
}

function noneText(): string {
  return olderCursor.value === null
    ? 'No dispatch matches.'
    : `None of the last ${whole(lookedThrough.value)} matches.`;
}

export function costOf({ usage, cost }: DispatchRecord): string {
  if (cost !== null) return money(BigInt(cost.nanoUsd));
  return usage === null ? NOTHING : 'unpriced';
}

export function Outcome({ record }: { record: DispatchRecord }) {
  const { outcome, errorKind, usageSource } = record;
  const isGuessed = usageSource === 'estimated' || usageSource === 'partial';
  return (
    <span class={`outcome ${outcome ?? 'open'}`}>
      {outcome ?? 'in flight'}
      {errorKind === null ? '' : `: ${errorKind.replaceAll('_', ' ')}`}
      {isGuessed ? <small> {usageSource}</small> : null}
    </span>
  );
}
