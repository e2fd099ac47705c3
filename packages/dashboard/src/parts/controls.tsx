/** What is looked at: range, grouping, filters. Everything here is in the address. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { GROUPS, type Group, look, looked } from '../address.ts';
import { serverNow } from '../facts.ts';
import { type Filter, filterText, readFilters, withFilter } from '../filter-text.ts';
import { minuteWithYear } from '../format.ts';
import { type NamedRange, periodOf, RANGE_LABELS, RANGES, type Range } from '../period.ts';
import { momentOf, wallText } from '../zone.ts';

export const GROUP_LABELS: Readonly<Record<Group, string>> = {
  model: 'Model',
  provider: 'Provider',
  agent: 'Agent',
  session: 'Session',
  tenant: 'Tenant',
  endUser: 'End user',
  source: 'Source',
};

export function Controls({ hasGroups = true }: { hasGroups?: boolean }) {
  const { range, zone } = looked.value;
  const now = serverNow();
  const period = periodOf(range, zone, now);
  return (
    <div class="controls">
      <label>
        <span class="sr">Range</span>
        <select
          id="range"
          value={range.name}
          onChange={({ currentTarget }) => look({ range: chosenRange(currentTarget.value) })}
        >
          {RANGES.map((name) => (
            <option key={name} value={name}>
              {RANGE_LABELS[name]}
            </option>
          ))}
          <option value="custom">Custom…</option>
        </select>
      </label>
      {range.name === 'custom' ? <CustomRange /> : null}
      {hasGroups ? <GroupChoice /> : null}
      <FilterBox />
      {hasGroups ? <Compares /> : null}
      <span class="period">
        {minuteWithYear(period.fromMs, now, zone)} – {period.isOpen ? 'now' : minuteWithYear(period.toMs, now, zone)}
      </span>
    </div>
  );
}

/** What was looked at stays, to be changed from there. */
function chosenRange(name: string): Range {
  if (name !== 'custom') return { name: name as NamedRange };
  const { range, zone } = looked.peek();
  const { fromMs, toMs } = periodOf(range, zone, serverNow());
  return { name, fromMs, toMs };
}

/** Before it no model was called; years of more than four digits are slips of the finger. */
const EARLIEST = '1990-01-01T00:00';
const LAST = '2099-12-31T23:59';

function CustomRange() {
  const { range, zone } = looked.value;
  const from = useRef<HTMLInputElement>(null);
  const to = useRef<HTMLInputElement>(null);
  // A year that is typed is a whole date after each of its digits: what is typed counts when it is done.
  const isTyping = useRef(false);
  const { fromMs, toMs } = range.name === 'custom' ? range : { fromMs: 0, toMs: 0 };
  // Not as `value`: a render in between would take away what is half typed.
  useLayoutEffect(() => {
    from.current!.value = wallText(zone, fromMs);
    to.current!.value = wallText(zone, toMs);
    to.current!.setCustomValidity('');
  }, [zone, fromMs, toMs]);
  const take = (): void => {
    isTyping.current = false;
    to.current!.setCustomValidity('');
    const nextFrom = typedMoment(from.current!, zone, fromMs);
    const nextTo = typedMoment(to.current!, zone, toMs);
    if (nextFrom === null || nextTo === null) return;
    // Both fields as they stand: a stretch may be moved past its own end, one field after the other.
    if (nextFrom >= nextTo) to.current!.setCustomValidity('The end must come after the beginning.');
    else if (nextFrom !== fromMs || nextTo !== toMs)
      look({ range: { name: 'custom', fromMs: nextFrom, toMs: nextTo } });
  };
  const field = (label: string, own: typeof from) => (
    <input
      ref={own}
      type="datetime-local"
      required
      aria-label={label}
      min={EARLIEST}
      max={LAST}
      onKeyDown={({ key }) => {
        isTyping.current = key !== 'Enter';
        if (key !== 'Enter') return;
        take();
        own.current!.reportValidity();
      }}
      onChange={() => isTyping.current || take()}
      onBlur={take}
    />
  );
  return (
    <span class="custom">
      {field('From', from)}
      {field('To', to)}
    </span>
  );
}

/** Null where it is no moment, or none that can be meant. Fields show minutes: what nobody changed keeps its seconds. */
function typedMoment(field: HTMLInputElement, zone: string, shownMs: number): number | null {
  if (!field.validity.valid) return null;
  return field.value === wallText(zone, shownMs) ? shownMs : momentOf(zone, field.value);
}

function GroupChoice() {
  const { group } = looked.value;
  return (
    <label class="by">
      by{' '}
      <select id="group" value={group} onChange={({ currentTarget }) => look({ group: currentTarget.value as Group })}>
        {GROUPS.map((name) => (
          <option key={name} value={name}>
            {GROUP_LABELS[name]}
          </option>
        ))}
      </select>
    </label>
  );
}

function Compares() {
  const { compares } = looked.value;
  return (
    <label class="compares">
      <input
        type="checkbox"
        checked={compares}
        onChange={({ currentTarget }) => look({ compares: currentTarget.checked })}
      />{' '}
      compare
    </label>
  );
}

/** Filters as chips, and a box in which the next one is written. */
function FilterBox() {
  const { filters } = looked.value;
  const box = useRef<HTMLInputElement>(null);
  const take = (): void => {
    const { filters: read, problem } = readFilters(box.current!.value);
    box.current!.setCustomValidity(problem);
    if (problem !== '') return void box.current!.reportValidity();
    box.current!.value = '';
    if (read.length > 0) look({ filters: read.reduce(withFilter, looked.peek().filters) });
  };
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      {filters.map((filter) => (
        <FilterChip key={filterText(filter)} filter={filter} />
      ))}
      <input
        id="filter"
        ref={box}
        type="search"
        placeholder={filters.length === 0 ? 'Filter, e.g. model:gpt-5 -agent:main' : ''}
        aria-label="Filter"
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => currentTarget.setCustomValidity('')}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'Backspace' && currentTarget.value === '') look({ filters: looked.peek().filters.slice(0, -1) });
        }}
      />
    </form>
  );
}

function FilterChip({ filter }: { filter: Filter }) {
  const text = filterText(filter);
  return (
    <button
      type="button"
      class="chip"
      title={text}
      aria-label={`Remove the filter ${text}`}
      onClick={({ currentTarget }) => {
        // Its focus goes on to what stands behind it: the next chip, or the box.
        (currentTarget.nextElementSibling as HTMLElement | null)?.focus();
        look({ filters: looked.peek().filters.filter((kept) => filterText(kept) !== text) });
      }}
    >
      <bdi class="clip">{text}</bdi>
      <span aria-hidden="true">×</span>
    </button>
  );
}
