/** What is looked at: range, grouping, filters. Everything here is in the address. */
import { useRef } from 'preact/hooks';
import { GROUPS, type Group, look, looked } from '../address.ts';
import { type Filter, filtersText, filterText, readFilters } from '../filter-text.ts';
import { minute } from '../format.ts';
import { type NamedRange, RANGE_LABELS, RANGES } from '../period.ts';
import { answers } from '../screen.ts';

export const GROUP_LABELS: Readonly<Record<Group, string>> = {
  model: 'Model',
  provider: 'Provider',
  agent: 'Agent',
  session: 'Session',
  tenant: 'Tenant',
  endUser: 'End user',
  source: 'Source',
};

export function Controls() {
  const { range, group, compares } = looked.value;
  const period = answers.value?.period;
  return (
    <div class="controls">
      <label>
        <span class="sr">Range</span>
        <select
          id="range"
          value={range.name}
          onChange={({ currentTarget }) => look({ range: { name: currentTarget.value as NamedRange } })}
        >
          {RANGES.map((name) => (
            <option key={name} value={name}>
              {RANGE_LABELS[name]}
            </option>
          ))}
          {range.name === 'custom' ? <option value="custom">Custom</option> : null}
        </select>
      </label>
      <label class="by">
        by{' '}
        <select
          id="group"
          value={group}
          onChange={({ currentTarget }) => look({ group: currentTarget.value as Group })}
        >
          {GROUPS.map((name) => (
            <option key={name} value={name}>
              {GROUP_LABELS[name]}
            </option>
          ))}
        </select>
      </label>
      <FilterBox />
      <label class="compares">
        <input
          type="checkbox"
          checked={compares}
          onChange={({ currentTarget }) => look({ compares: currentTarget.checked })}
        />{' '}
        compare
      </label>
      {period === undefined ? null : (
        <span class="period">
          {minute(period.fromMs, looked.value.zone)} – {period.isOpen ? 'now' : minute(period.toMs, looked.value.zone)}
        </span>
      )}
    </div>
  );
}

function FilterBox() {
  const { filters } = looked.value;
  const box = useRef<HTMLInputElement>(null);
  const take = () => {
    const { filters: read, problem } = readFilters(box.current!.value);
    box.current!.setCustomValidity(problem);
    if (problem === '') look({ filters: read });
    else box.current!.reportValidity();
  };
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      <input
        id="filter"
        ref={box}
        type="search"
        key={filtersText(filters)}
        defaultValue={filtersText(filters)}
        placeholder="Filter, e.g. model:gpt-5 agent:main"
        aria-label="Filter"
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => currentTarget.setCustomValidity('')}
        onChange={take}
      />
      {filters.map((filter) => (
        <FilterChip key={filterText(filter)} filter={filter} />
      ))}
    </form>
  );
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
