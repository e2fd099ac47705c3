/** Dispatches as they settle, newest first; older ones on demand. Each opens in full. */
import { useSignal } from '@preact/signals';
import type { DispatchRecord } from '@weighbridge/client';
import { look, looked } from '../address.ts';
import { periodNow } from '../answers.ts';
import { clock, compact, milliseconds, moment, money, NOTHING } from '../format.ts';
import { askOlder, latest, olderCursor } from '../latest.ts';
import { messageOf, problem } from '../screen.ts';
import { DAY_MS } from '../zone.ts';
import { Exact } from './exact.tsx';

/** What is drawn at once, also where more came: nobody reads more, and each event would draw all. */
const DRAWN_LIVE = 25;

export function Tail() {
  const frozen = useSignal<readonly DispatchRecord[] | null>(null);
  const isLong = useSignal(false);
  const { isOpen } = periodNow(looked.value);
  const all = frozen.value ?? latest.value;
  const records = isLong.value ? all : all.slice(0, DRAWN_LIVE);
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
      {records.length === 0 ? (
        <p class="note">No dispatch matches.</p>
      ) : (
        <section class="scroll" tabIndex={0} aria-label="Dispatches, newest first">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Settled</th>
                <th scope="col" class="text">
                  Model
                </th>
                <th scope="col" class="text minor">
                  Agent
                </th>
                <th scope="col" class="text minor">
                  Session
                </th>
                <th scope="col" class="text minor">
                  End user
                </th>
                <th scope="col">In</th>
                <th scope="col">Out</th>
                <th scope="col">Cost</th>
                <th scope="col">Took</th>
                <th scope="col" class="text">
                  Outcome
                </th>
              </tr>
            </thead>
            <tbody>
              {records.map((record) => (
                <Line key={record.entryId} record={record} />
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

function Line({ record }: { record: DispatchRecord }) {
  const { zone } = looked.value;
  const { usage, cost } = record;
  const settledMs = Date.parse(record.settledAt ?? record.startedAt);
  const prompt = usage === null ? null : usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h;
  return (
    <tr data-dispatch={record.dispatchId} onClick={() => look({ dispatchId: record.dispatchId })}>
      <td>
        <button type="button" class="name" aria-label={`Open the dispatch settled ${moment(settledMs, zone)}`}>
          <time dateTime={record.settledAt ?? ''}>
            {Date.now() - settledMs < DAY_MS ? clock(settledMs, zone) : moment(settledMs, zone)}
          </time>
        </button>
      </td>
      <td class="text clip" title={record.model}>
        {record.model}
      </td>
      <td class="text minor clip">{record.agentId ?? NOTHING}</td>
      <td class="text minor clip" title={record.sessionKey ?? ''}>
        {record.sessionKey ?? NOTHING}
      </td>
      <td class="text minor clip">{record.endUserId ?? NOTHING}</td>
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
