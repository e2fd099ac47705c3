/** Six numbers of the whole selection, each with its change since the period before, its course, and what it is made of. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { change, compact, milliseconds, percent, whole } from '../format.ts';
import { answers, slowVersion, version } from '../screen.ts';
import { promptOf, type Sums, share, tokensOf } from '../sums.ts';
import { Exact } from './exact.tsx';
import { allOf, costText } from './rows.ts';
import { Spark, sparksOf } from './spark.tsx';

export function Tiles() {
  version.value;
  const { sources, rest } = answers.value!;
  const all = allOf(sources);
  const before = rest.before ?? null;
  const then = before?.totals ?? null;
  const drawn = slowVersion.value;
  const course = useMemo(() => (rest.course === undefined ? null : sparksOf(rest.course)), [drawn, rest.course]);
  return (
    <section class="tiles" aria-label="Sums">
      <Tile id="cost" label="Cost" change={delta(all.costNanoUsd, then?.costNanoUsd)} isBad note={costNote(all)}>
        <Exact value={all.costNanoUsd}>{costText(all)}</Exact>
        <Spark points={course?.cost} />
      </Tile>
      <Tile id="requests" label="Requests" change={delta(all.requests, then?.requests)} note={madeOf(all)}>
        <Exact value={all.requests}>{whole(all.requests)}</Exact>
        <Spark points={course?.requests} />
      </Tile>
      <Tile
        id="tokens"
        label="Tokens"
        change={delta(tokensOf(all), then === null ? undefined : tokensOf(then))}
        note={`${compact(promptOf(all))} in, ${percent(share(all.cacheRead, promptOf(all)))} of it cached · ${compact(all.output)} out`}
      >
        <Exact value={tokensOf(all)}>{compact(tokensOf(all))}</Exact>
        <Spark points={course?.tokens} />
      </Tile>
      <Tile
        id="latency"
        label="Latency p95"
        change={delta(all.latency?.p95, then?.latency?.p95)}
        isBad
        note={`p50 ${milliseconds(all.latency?.p50)} · p99 ${milliseconds(all.latency?.p99)}`}
      >
        <Exact value={all.latency?.p95 ?? null}>{milliseconds(all.latency?.p95)}</Exact>
        <Spark points={course?.latency} />
      </Tile>
      <Tile
        id="first-token"
        label="First token p95"
        change={delta(all.firstToken?.p95, then?.firstToken?.p95)}
        isBad
        note={`p50 ${milliseconds(all.firstToken?.p50)}`}
      >
        <Exact value={all.firstToken?.p95 ?? null}>{milliseconds(all.firstToken?.p95)}</Exact>
        <Spark points={course?.firstToken} />
      </Tile>
      <Tile
        id="errors"
        label="Errors"
        change={
          before === null
            ? null
            : pointsText(share(all.failed, all.requests), share(before.failed, before.totals.requests))
        }
        isBad
        note={`${whole(all.failed)} failed · ${whole(all.aborted)} aborted`}
      >
        <Exact value={all.failed}>{percent(share(all.failed, all.requests))}</Exact>
        <Spark points={course?.errors} />
      </Tile>
    </section>
  );
}

interface TileProps {
  id: string;
  label: string;
  change: string | null;
  /** More of it is worse. */
  isBad?: boolean;
  note: string;
  children: ComponentChildren;
}

function Tile({ id, label, change: text, isBad = false, note, children }: TileProps) {
  const isUp = text?.startsWith('+') ?? false;
  const isDown = text?.startsWith('−') ?? false;
  const tone = text === null || !(isUp || isDown) ? '' : isUp === isBad ? ' worse' : ' better';
  return (
    <article class="tile" data-tile={id}>
      <h2>
        {label}
        {text === null ? null : (
          <span class={`change${id === 'requests' || id === 'tokens' ? '' : tone}`} title="Against the period before">
            {text}
          </span>
        )}
      </h2>
      <p class="value">{children}</p>
      <p class="note">{note}</p>
    </article>
  );
}

/** Null where one of both is not known: nothing completed is not faster. */
function delta(now: number | bigint | undefined, before: number | bigint | undefined): string | null {
  return now === undefined || before === undefined ? null : change(Number(now), Number(before));
}

function pointsText(now: number | null, before: number | null): string | null {
  if (now === null || before === null) return null;
  const points = (now - before) * 100;
  if (Math.abs(points) < 0.05) return '±0';
  return `${points > 0 ? '+' : '−'}${Math.abs(points).toFixed(1)} pt`;
}

function costNote(sums: Sums): string {
  const parts = [pricedText(sums)];
  const guessed = sums.partial + sums.estimated;
  if (guessed > 0) parts.push(`${whole(guessed)} estimated`);
  return parts.join(' · ');
}

/** A price that came later is booked when it came: a range may hold more of those than of calls without a price. */
function pricedText({ unpriced }: Sums): string {
  if (unpriced === 0) return 'all priced';
  return unpriced > 0 ? `${whole(unpriced)} unpriced` : `${whole(-unpriced)} priced later`;
}

/** What a sum is made of, in words. */
export function madeOf(sums: Sums): string {
  const parts = (['reported', 'partial', 'estimated', 'none', 'uncertain', 'unpriced'] as const)
    .filter((name) => sums[name] > 0)
    .map((name) => `${whole(sums[name])} ${name === 'none' ? 'uncounted' : name}`);
  return parts.length === 0 ? 'none yet' : parts.join(' · ');
}
