/** One dispatch in full: when it waited and when it wrote, what it counted, line by line what that costs, what the provider sent. */
import { useSignal } from '@preact/signals';
import type { DispatchDetail, PriceLine } from '@weighbridge/client';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { look, looked } from '../address.ts';
import { client } from '../client.ts';
import { milliseconds, moment, NOTHING, whole } from '../format.ts';
import { messageOf } from '../problems.ts';
import { Headings } from './headings.tsx';
import { costOf, Outcome } from './tail.tsx';

export function Drawer() {
  const { dispatchId } = looked.value;
  return dispatchId === null ? null : <Opened key={dispatchId} id={dispatchId} />;
}

/** How the drawer came to be open, kept with the entry of the browser's history: `here` has the page that it opened over before it. */
type Opening = { drawer: 'here' | 'by link' };

// An entry that came with the document was a link, or is loaded anew and says itself what it was.
if (looked.peek().dispatchId !== null && openingOf() === null) markOpening('by link');

function openingOf(): Opening['drawer'] | null {
  return (history.state as Opening | null)?.drawer ?? null;
}

function markOpening(drawer: Opening['drawer']): void {
  history.replaceState({ drawer } satisfies Opening, '');
}

/** Leaves no entry behind that going back would open again. */
function leave(id: string): void {
  if (looked.peek().dispatchId !== id) return;
  if (openingOf() === 'here') history.back();
  else look({ dispatchId: null }, 'refine');
}

/** To what had it before, unless that only lies around it all; else to the dispatch's row, where it is listed; else to the content. */
function giveFocusBack(before: Element | null, id: string): void {
  const row = document.querySelector(`[data-dispatch="${CSS.escape(id)}"] .name`);
  const main = document.querySelector('#main');
  // A click beside a button gives the focus to what can have it around it.
  const opener = before?.contains(row ?? main) ? null : before;
  for (const element of [opener, row, main]) {
    if (!(element instanceof HTMLElement)) continue;
    element.focus({ preventScroll: element.id === 'main' });
    if (document.activeElement === element) return;
  }
}

function Opened({ id }: { id: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { found, problem, isAsking, ask } = useDetail(id);
  useEffect(() => {
    const own = dialog.current!;
    const before = document.activeElement;
    if (openingOf() === null) markOpening('here');
    own.showModal();
    return () => {
      // Taken away while it is open it would leave the page without anything that can have the focus.
      own.close();
      giveFocusBack(before, id);
    };
  }, [id]);
  const close = (): void => dialog.current?.close();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on what is around it; Escape closes a dialog by itself
    <dialog
      ref={dialog}
      class="drawer"
      aria-label="Dispatch"
      onClose={() => leave(id)}
      onClick={({ target }) => target === dialog.current && close()}
    >
      <article>
        <header>
          <h2>{id}</h2>
          <button type="button" class="quiet" onClick={close}>
            Close
          </button>
        </header>
        {problem.value === '' ? null : (
          <p role="alert" class="problem">
            {problem.value}{' '}
            <button
              type="button"
              class="quiet"
              aria-busy={isAsking.value}
              onClick={async () => {
                // It goes with the problem, and its focus with it.
                if (await ask()) dialog.current?.querySelector('button')?.focus();
              }}
            >
              Try again
            </button>
          </p>
        )}
        {found.value === null ? null : <Detail detail={found.value} />}
      </article>
    </dialog>
  );
}

/** The dispatch, asked for at once; `ask` asks again, and says whether an answer came. */
function useDetail(id: string) {
  const found = useSignal<DispatchDetail | null>(null);
  const problem = useSignal('');
  const isAsking = useSignal(false);
  const ask = async (): Promise<boolean> => {
    if (isAsking.peek()) return false;
    isAsking.value = true;
    try {
      found.value = await client.dispatch(id);
      problem.value = '';
      return true;
    } catch (error) {
      problem.value = messageOf(error);
      return false;
    } finally {
      isAsking.value = false;
    }
  };
  useEffect(() => void ask(), [id]);
  return { found, problem, isAsking, ask };
}

function Detail({ detail }: { detail: DispatchDetail }) {
  const { zone } = looked.value;
  // What came late stands in the correction that brought it.
  const counted = [detail, ...detail.corrections].find(({ usage }) => usage !== null);
  return (
    <>
      <p class="lead">
        <b>
          <bdi>{detail.model}</bdi>
        </b>{' '}
        at <bdi>{detail.provider}</bdi> · <Outcome record={detail} />
        {detail.servedModel === null ? null : (
          <small>
            {' '}
            served as <bdi>{detail.servedModel}</bdi>
          </small>
        )}
      </p>
      <Waterfall detail={detail} />
      <h3>Usage and cost</h3>
      {counted === undefined ? (
        <Uncounted detail={detail} />
      ) : (
        <Lines detail={{ ...detail, usage: counted.usage, cost: counted.cost }} />
      )}
      {detail.corrections.length === 0 ? null : (
        <ul class="corrections">
          {detail.corrections.map((correction) => (
            <li key={correction.entryId}>
              <bdi>{correction.reason}</bdi>: {correction.cost === null ? 'usage' : `$${correction.cost.usd}`} on{' '}
              {moment(Date.parse(correction.settledAt ?? correction.startedAt), zone)}
            </li>
          ))}
        </ul>
      )}
      <h3>Where it belongs</h3>
      <dl>
        <Fact name="Tenant">{detail.tenantId}</Fact>
        <Fact name="Agent">{detail.agentId}</Fact>
        <Fact name="Session">{detail.sessionKey}</Fact>
        <Fact name="End user">{detail.endUserId}</Fact>
        <Fact name="Tags">{detail.tags.join(', ') || null}</Fact>
        <Fact name="Key">{detail.keyId}</Fact>
        <Fact name="Run">
          <button
            type="button"
            class="name"
            onClick={() =>
              // In place of the drawer: going back leads to what was looked at before it.
              look({ dispatchId: null, filters: [{ name: 'run', value: detail.runId, isExcluded: false }] }, 'refine')
            }
          >
            {detail.runId}
          </button>
          {detail.attempt > 1 ? ` attempt ${detail.attempt}` : ''}
        </Fact>
        <Fact name="Asked as">{detail.requestedModel}</Fact>
        <Fact name="Dialect">{`${detail.api}${detail.stream ? ', streamed' : ''}`}</Fact>
        <Fact name="HTTP status">{detail.httpStatus === null ? null : String(detail.httpStatus)}</Fact>
        <Fact name="Stopped by">{detail.stopReason}</Fact>
        <Fact name="Provider’s id">{detail.providerRequestId}</Fact>
        <Fact name="Source">{detail.source}</Fact>
        <Fact name="Entry">{detail.entryId}</Fact>
      </dl>
      {detail.rawUsage === null || detail.rawUsage === undefined ? null : (
        <details>
          <summary>Usage as the provider sent it</summary>
          <pre tabIndex={0}>{JSON.stringify(detail.rawUsage, null, 2)}</pre>
        </details>
      )}
    </>
  );
}

/** Waiting and writing as two parts of one line. */
function Waterfall({ detail }: { detail: DispatchDetail }) {
  const { latencyMs, timeToFirstTokenMs: first, startedAt, settledAt } = detail;
  const { zone } = looked.value;
  const wait = latencyMs === null || first === null ? null : Math.min(first, latencyMs);
  return (
    <div class="waterfall">
      {latencyMs === null || wait === null ? null : (
        <div
          class="stretch"
          role="img"
          aria-label={`${milliseconds(wait)} until the first token, ${milliseconds(latencyMs - wait)} writing`}
        >
          <span class="wait" style={{ flexGrow: Math.max(wait, latencyMs / 200) }} />
          <span class="write" style={{ flexGrow: Math.max(latencyMs - wait, latencyMs / 200) }} />
        </div>
      )}
      <dl>
        <Fact name="Started">{moment(Date.parse(startedAt), zone)}</Fact>
        <Fact name="First token">{first === null ? null : `after ${milliseconds(first)}`}</Fact>
        <Fact name="Took">{latencyMs === null ? null : milliseconds(latencyMs)}</Fact>
        <Fact name="Settled">{settledAt === null ? 'not yet' : moment(Date.parse(settledAt), zone)}</Fact>
      </dl>
    </div>
  );
}

const BUCKETS = {
  input: 'Input',
  cacheRead: 'Read from cache',
  cacheWrite: 'Written to cache',
  cacheWrite1h: 'Written to cache for an hour',
  output: 'Output',
  reasoning: 'Reasoning, inside output',
} as const;
type Bucket = keyof typeof BUCKETS;
const COUNTED = Object.keys(BUCKETS) as Bucket[];

function Lines({ detail }: { detail: DispatchDetail }) {
  const usage = detail.usage!;
  const lines = detail.priceLines ?? [];
  const lineOf = (name: string) => lines.find(({ bucket }) => bucket === name);
  // Priced, all but reasoning has lines, and another model's tokens are in their own.
  const unitsOf = (name: Bucket) => (lines[0] && name !== 'reasoning' ? (lineOf(name)?.units ?? 0) : usage[name]);
  const counted = COUNTED.filter((name) => unitsOf(name)! > 0 || name === 'input' || name === 'output');
  const shown = new Set<string>(counted);
  return (
    <table class="lines">
      <Headings of={[['Part'], ['Tokens'], ['$ per million'], ['Amount']]} />
      <tbody>
        {counted.map((name) => (
          <PartLine key={name} name={name} units={unitsOf(name)!} line={lineOf(name)} />
        ))}
        {lines
          .filter(({ bucket }) => !shown.has(bucket))
          .map((line) => (
            <PartLine key={line.bucket} name={line.bucket} units={line.units} line={line} />
          ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Total</th>
          <td>{whole(usage.total)}</td>
          <td class="why">{detail.cost === null ? (detail.unpriced ?? '') : detail.price?.source}</td>
          <td>{detail.cost === null ? costOf(detail) : `$${detail.cost.usd}`}</td>
        </tr>
        <OtherCosts detail={detail} />
      </tfoot>
    </table>
  );
}

/** Without tokens a call may have a cost all the same: whoever reported it said so. */
function Uncounted({ detail }: { detail: DispatchDetail }) {
  const { cost, costNow, providerCost, usageSource } = detail;
  const note = <p class="note">Nothing was counted: {usageSource}.</p>;
  if ((costNow ?? providerCost) === null) return note;
  return (
    <>
      {note}
      <table class="lines">
        <tbody>
          {cost === null ? null : <CostLine name={`Cost, ${cost.source}`} cost={cost} />}
          <OtherCosts detail={detail} />
        </tbody>
      </table>
    </>
  );
}

/** What it costs with its corrections, and what the provider says. */
function OtherCosts({ detail: { cost, costNow, providerCost } }: { detail: DispatchDetail }) {
  return (
    <>
      {costNow !== null && costNow.nanoUsd !== cost?.nanoUsd ? (
        <CostLine name="With corrections" cost={costNow} />
      ) : null}
      {providerCost === null ? null : <CostLine name="The provider says" cost={providerCost} />}
    </>
  );
}

function CostLine({ name, cost }: { name: string; cost: { usd: string } }) {
  return (
    <tr>
      <th scope="row" colSpan={3}>
        {name}
      </th>
      <td>${cost.usd}</td>
    </tr>
  );
}

const PICO_PER_MILLION = 1e6;

function PartLine({ name, units, line }: { name: string; units: number; line: PriceLine | undefined }) {
  return (
    <tr>
      <th scope="row">{BUCKETS[name as Bucket] ?? name}</th>
      <td>{whole(units)}</td>
      <td title={line?.source}>{line === undefined ? NOTHING : String(Number(line.ratePicoUsd) / PICO_PER_MILLION)}</td>
      <td>{line === undefined ? NOTHING : `$${picoText(line.amountPicoUsd)}`}</td>
    </tr>
  );
}

function picoText(picoUsd: string): string {
  const digits = picoUsd.padStart(13, '0');
  const decimals = digits.slice(-12).replace(/0+$/, '');
  return `${digits.slice(0, -12)}${decimals === '' ? '' : `.${decimals}`}`;
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null || children === undefined) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
