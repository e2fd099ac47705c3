/** How the gateway itself does, by its own probe: whether it takes calls, what hinders it, how the machine keeps up. */
import type { Readiness } from '@weighbridge/client';
import type { ComponentChildren } from 'preact';
import { looked } from '../address.ts';
import { client } from '../client.ts';
import { facts } from '../facts.ts';
import { compact, milliseconds, moment, whole } from '../format.ts';
import { inFlight } from '../latest.ts';
import { lagMs, standing } from '../live.ts';
import { useAsked } from './asked.ts';
import { Problem } from './problem.tsx';

export function Health() {
  const { answer, problem } = useAsked('health', () => client.ready());
  const ready = answer.value;
  return (
    <section class="card panel" aria-label="Health">
      <header class="bar">
        <h2>Health</h2>
      </header>
      <Problem text={problem.value} />
      {ready === null ? <p class="note">Asking…</p> : <Facts ready={ready} />}
    </section>
  );
}

function Facts({ ready }: { ready: Readiness }) {
  const { zone } = looked.value;
  const { load, disk, config } = ready;
  return (
    <dl class="health">
      <Fact name="Takes calls" isGood={ready.ready}>
        {ready.ready ? 'yes' : `no: ${(ready.failing ?? []).join(', ')}`}
      </Fact>
      {load == null ? null : (
        <>
          <Fact name="Sheds calls" isGood={!load.shedding}>
            {load.shedding ? 'yes, overloaded' : 'no'}
          </Fact>
          <Fact name="Event loop behind">{milliseconds(load.eventLoopLagMs)}</Fact>
          <Fact name="Ledger behind">{milliseconds(load.ledgerWaitMs)}</Fact>
        </>
      )}
      {disk == null ? null : (
        <Fact name="Ledger’s disk" isGood={!disk.belowFloor}>
          {disk.usedPercent} % used, {compact(disk.freeBytes)} bytes free
        </Fact>
      )}
      {config == null ? null : (
        <Fact name="Configuration" isGood={!config.stale}>
          {config.stale
            ? 'the file is refused; what was read before is in force'
            : `read ${moment(Date.parse(config.loadedAt), zone)}`}
        </Fact>
      )}
      {ready.uptimeMs === undefined ? null : (
        <Fact name="Up for">{whole(Math.floor(ready.uptimeMs / 60_000))} min</Fact>
      )}
      <Fact name="In flight">{whole(inFlight.value.length)}</Fact>
      <Fact name="This page" isGood={standing.value === 'live'}>
        {standing.value}
        {lagMs.value === null ? '' : `, ${milliseconds(lagMs.value)} from ledger to screen`}
      </Fact>
      <Fact name="Version">{facts.version}</Fact>
    </dl>
  );
}

function Fact({ name, isGood, children }: { name: string; isGood?: boolean; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={isGood === false ? 'outcome failed' : undefined}>{children}</dd>
    </div>
  );
}
