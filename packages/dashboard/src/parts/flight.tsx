/** What is in flight now: who runs what, since when, how far it got; and the way to end it. */
import { client } from '../client.ts';
import { facts, serverNow } from '../facts.ts';
import { age, whole } from '../format.ts';
import { inFlight, refreshRuns } from '../latest.ts';
import { messageOf, problem } from '../screen.ts';
import { SureButton } from './sure-button.tsx';

export function Flight() {
  const runs = inFlight.value;
  const now = serverNow();
  return (
    <section class="card flight" aria-label="In flight now">
      <h2>
        In flight <data value={runs.length}>{whole(runs.length)}</data>
      </h2>
      {runs.length === 0 ? (
        <p class="note">Nothing runs at this moment.</p>
      ) : (
        <ul>
          {runs.map((run) => (
            <li key={run.runId} data-run={run.runId}>
              <span class="what">
                <b>{run.model}</b>
                <small>
                  {[run.agentId, run.sessionKey].filter((part) => part !== null).join(' · ') || run.provider}
                  {run.attempt > 1 ? ` · attempt ${run.attempt}` : ''}
                </small>
              </span>
              <span class="how">
                ≈{whole(run.tokens)} tok
                <small>{age(now - Date.parse(run.startedAt))}</small>
              </span>
              {facts.isAdmin ? <SureButton label="Stop" sure="Really stop" act={() => stop(run.runId)} /> : null}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

async function stop(runId: string): Promise<void> {
  try {
    await client.stopRun(runId);
  } catch (error) {
    problem.value = messageOf(error);
  }
  await refreshRuns().catch(() => {});
}
