/** How far the numbers can be trusted, in one line: where entries came from and when, and what could not be counted or priced. */
import { look, looked } from '../address.ts';
import { serverNow } from '../facts.ts';
import { toggled } from '../filter-text.ts';
import { ago, whole } from '../format.ts';
import { standing } from '../live.ts';
import { answers, version } from '../screen.ts';
import { allOf, rowsOf } from './rows.ts';

export function Strip() {
  version.value;
  const { sources } = answers.value!;
  const all = allOf(sources);
  const { zone } = looked.value;
  const now = serverNow();
  return (
    <section class="strip" aria-label="Standing">
      {standing.value === 'stale' ? (
        <p class="stale" role="status">
          Stale: the connection broke. The page goes on where it was as soon as the gateway answers.
        </p>
      ) : null}
      {rowsOf(sources).map(({ name, sums }) => (
        <button
          key={name}
          type="button"
          class="fact"
          onClick={({ altKey }) =>
            look({ filters: toggled(looked.peek().filters, { name: 'source', value: name!, isExcluded: altKey }) })
          }
        >
          <bdi>{name}</bdi> <b>{ago(sums.lastSettledAt, now, zone)}</b>
        </button>
      ))}
      {all.unpriced < 0 ? (
        <Count
          of={-all.unpriced}
          what="priced later"
          meaning="Settled before this range, and given their price in it"
        />
      ) : (
        <Count of={all.unpriced} what="unpriced" meaning="Counted, but no price is known: their cost is in no sum" />
      )}
      <Count of={all.none} what="uncounted" meaning="Nothing was reported and nothing estimated: no tokens are known" />
      <Count of={all.partial + all.estimated} what="estimated" meaning="The provider’s own count did not arrive" />
      <Count of={all.uncertain} what="uncertain" meaning="The gateway died under them: nobody saw their end" />
    </section>
  );
}

function Count({ of, what, meaning }: { of: number; what: string; meaning: string }) {
  return (
    <span
      class={`fact${of > 0 && what !== 'estimated' && what !== 'priced later' ? ' warns' : ''}`}
      title={meaning}
      data-count={what}
    >
      <b>
        <data value={of}>{whole(of)}</data>
      </b>{' '}
      {what}
    </span>
  );
}
