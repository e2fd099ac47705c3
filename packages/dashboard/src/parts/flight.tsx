/** What is in flight now: who runs what, since when, how far it got; and the way to end it. */
import type { RunInFlight } from '@weighbridge/client';
import { Fragment } from 'preact';
import { client } from '../client.ts';
import { areOfTenants, facts, serverNow } from '../facts.ts';
import { age, whole } from '../format.ts';
import { inFlight, refreshRuns } from '../latest.ts';
import { messageOf } from '../problems.ts';
import { problem } from '../screen.ts';
import { SureButton } from './sure-button.tsx';

export function Flight() {
  const runs = inFlight.value;
  const now = serverNow();
  const isOfTenants = areOfTenants(runs);
  return (
    <section class="card flight" aria-label="In flight now">
      <h2>
        In flight <data value={runs.length}>{whole(runs.length)}</data>
      </h2>
      {runs.length === 0 ? (
        <p class="note">Nothing runs at this moment.</p>
      ) : (
        <section class="runs" tabIndex={0} aria-label="Runs in flight">
          <ul>
            {runs.map((run) => (
              <li key={run.runId} data-run={run.runId}>
                <span class="what">
                  <b title={run.model}>
                    <bdi>{run.model}</bdi>
                  </b>
                  <small title={whoseOf(run, isOfTenants).join(' · ')}>
                    {whoseOf(run, isOfTenants).map((part, at) => (
                      <Fragment key={at}>
                        {at > 0 ? ' · ' : ''}
                        <bdi>{part}</bdi>
                      </Fragment>
                    ))}
                    {run.attempt > 1 ? ` · attempt ${run.attempt}` : ''}
                  </small>
                </span>
                <span class="how">
                  ≈{whole(run.tokens)} tok
                  <small>{age(now - Date.parse(run.startedAt))}</small>
                </span>
                {facts.isAdmin ? (
                  <SureButton
                    label="Stop"
                    sure="Really stop"
                    what={`run of ${run.model}, ${whoseOf(run, isOfTenants).join(', ')}`}
                    act={() => stop(run.runId)}
                  />
                ) : null}
              </li>
            ))}
          </ul>
        </section>
      )}
    </section>
  );
}

/** Whose run it is, as far as it was said. */
function whoseOf({ tenantId, agentId, sessionKey, provider }: RunInFlight, isOfTenants: boolean): string[] {
  const said = [isOfTenants ? tenantId : null, agentId, sessionKey].filter((part) => part !== null);
  return said.length === 0 ? [provider] : said;
}

async function stop(runId: string): Promise<void> {
  try {
    await client.stopRun(runId);
  } catch (error) {
    problem.value = messageOf(error);
  }
  await refreshRuns().catch(() => {});
}
