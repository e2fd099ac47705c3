/** What is looked at: range, grouping, filters. Everything here is in the address. */
import { useRef } from 'preact/hooks';
import { GROUPS, type Group, look, looked } from '../address.ts';
import { serverNow } from '../facts.ts';
import { type Filter, filterText, readFilters, toggled } from '../filter-text.ts';
import { minute } from '../format.ts';
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
  const period = periodOf(range, zone, serverNow());
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
        {minute(period.fromMs, zone)} – {period.isOpen ? 'now' : minute(period.toMs, zone)}
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

function CustomRange() {
  const { range, zone } = looked.value;
  if (range.name !== 'custom') return null;
  const change = (end: 'fromMs' | 'toMs', text: string): void => {
    const ms = momentOf(zone, text);
    if (ms === null) return;
    const next = { ...range, [end]: ms };
    if (next.fromMs < next.toMs) look({ range: next });
  };
  return (
    <span class="custom">
      <input
        type="datetime-local"
        aria-label="From"
        value={wallText(zone, range.fromMs)}
        onChange={({ currentTarget }) => change('fromMs', currentTarget.value)}
      />
      <input
        type="datetime-local"
        aria-label="To"
        value={wallText(zone, range.toMs)}
        onChange={({ currentTarget }) => change('toMs', currentTarget.value)}
      />
    </span>
  );
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
    if (read.length > 0) look({ filters: read.reduce(added, looked.peek().filters) });
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

function added(filters: readonly Filter[], filter: Filter): readonly Filter[] {
  return filters.some((known) => filterText(known) === filterText(filter)) ? filters : toggled(filters, filter);
}

function FilterChip({ filter }: { filter: Filter }) {
  const text = filterText(filter);
  return (
    <button
      type="button"
      class="chip"
      aria-label={`Remove the filter ${text}`}
      onClick={() => look({ filters: looked.peek().filters.filter((kept) => filterText(kept) !== text) })}
    >
      {text} <span aria-hidden="true">×</span>
    </button>
  );
}
