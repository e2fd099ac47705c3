/** The head of the page: its name, its tabs, whether it is live, the zone, the way out. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { look, looked, SHOWN, tabLabel } from '../address.ts';
import { facts } from '../facts.ts';
import { lagMs, standing } from '../live.ts';
import { isZone, ownZone } from '../zone.ts';

export function Head() {
  const { tab } = looked.value;
  const tabs = useRef<HTMLElement>(null);
  // On a phone not all tabs fit. Only they are moved: `scrollIntoView` would take the whole page along.
  useLayoutEffect(() => {
    const own = tabs.current!;
    const current = own.querySelector<HTMLElement>('[aria-current]')!;
    own.scrollLeft = current.offsetLeft - own.offsetLeft - (own.clientWidth - current.offsetWidth) / 2;
  }, [tab]);
  return (
    <header class="head">
      <span class="brand">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path d="M4 24h24M7 24v-5l9-10 9 10v5M16 9v10" />
        </svg>
        Weighbridge
      </span>
      <nav ref={tabs} aria-label="Pages">
        {SHOWN.map((name) => (
          <a
            key={name}
            href={`?tab=${name}`}
            aria-current={tab === name ? 'page' : undefined}
            onClick={(event) => {
              if (event.metaKey || event.ctrlKey) return;
              event.preventDefault();
              look({ tab: name, dispatchId: null });
            }}
          >
            {tabLabel(name)}
          </a>
        ))}
      </nav>
      <Live />
      <ZoneChoice />
      {facts.canSignOut ? (
        <form method="post" action="/models/sign-out">
          <button type="submit" class="quiet">
            Sign out
          </button>
        </form>
      ) : null}
    </header>
  );
}

function Live() {
  const now = standing.value;
  const lag = lagMs.value;
  return (
    <output class={`live live-${now}`} title="From the ledger’s commit to this screen, the slowest of a hundred">
      <span class="dot" aria-hidden="true" />
      {now}
      {now === 'live' && lag !== null ? <span class="lag"> {(lag / 1000).toFixed(2)} s</span> : null}
    </output>
  );
}

const USUAL_ZONES = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Los_Angeles',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Asia/Shanghai',
  'Asia/Tokyo',
  'Australia/Sydney',
];

function ZoneChoice() {
  const { zone } = looked.value;
  const zones = [...new Set([ownZone(), zone, ...USUAL_ZONES])];
  return (
    <label class="zone">
      <span class="sr">Time zone</span>
      <select
        value={zone}
        onChange={({ currentTarget }) => {
          if (isZone(currentTarget.value)) look({ zone: currentTarget.value });
        }}
      >
        {zones.map((name) => (
          <option key={name} value={name}>
            {name.replaceAll('_', ' ')}
          </option>
        ))}
      </select>
    </label>
  );
}
