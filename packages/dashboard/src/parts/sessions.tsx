/** Sessions: what each is set to, who used it last, what it has used since it began. A row leads to its dispatches. */
import { useSignal } from '@preact/signals';
import type { List, SessionInfo } from '@weighbridge/client';
import { look, looked } from '../address.ts';
import { client } from '../client.ts';
import { areOfTenants, serverNow } from '../facts.ts';
import type { Filter } from '../filter-text.ts';
import { ago, compact, money, NOTHING, whole } from '../format.ts';
import { useAsked } from './asked.ts';
import { Exact } from './exact.tsx';
import { Headings } from './headings.tsx';
import { firstOf } from './pages.ts';
import { Panel } from './panel.tsx';

const FIRST = 50;
const MORE = 100;

export function Sessions() {
  const search = useSignal('');
  const limit = useSignal(FIRST);
  const { answer, problem } = useAsked<List<SessionInfo>>(JSON.stringify([search.value, limit.value]), () =>
    firstOf(limit.value, (page) =>
      client.sessions({ ...page, ...(search.value === '' ? {} : { search: search.value }) }),
    ),
  );
  return (
    <>
      <form
        class="controls"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        <input
          id="filter"
          type="search"
          placeholder="Search in keys and labels"
          aria-label="Search sessions"
          spellcheck={false}
          onInput={({ currentTarget }) => {
            search.value = currentTarget.value;
          }}
        />
      </form>
      <Panel
        title="Sessions"
        answer={answer.value}
        problem={problem.value}
        empty="No session yet. Turns over the WebSocket and keyed calls make them."
      >
        {({ data, hasMore }) => (
          <>
            <table class="list">
              <Headings
                of={[
                  ['Session'],
                  ...(areOfTenants(data) ? ([['Tenant', 'text']] as const) : []),
                  ['Label', 'text minor'],
                  ['Agent', 'text'],
                  ['Model', 'text minor'],
                  ['Messages'],
                  ['Calls'],
                  ['Tokens'],
                  ['Cost'],
                  ['Last run'],
                ]}
              />
              <tbody>
                {data.map((session) => (
                  <Line
                    key={`${session.tenantId} ${session.sessionKey}`}
                    session={session}
                    isOfTenants={areOfTenants(data)}
                  />
                ))}
              </tbody>
            </table>
            {hasMore ? (
              <button
                type="button"
                class="quiet more"
                onClick={() => {
                  limit.value += MORE;
                }}
              >
                More sessions
              </button>
            ) : null}
          </>
        )}
      </Panel>
    </>
  );
}

function Line({ session, isOfTenants }: { session: SessionInfo; isOfTenants: boolean }) {
  const { usageTotal: usage, lastRunAt } = session;
  const { model } = session.overrides;
  return (
    <tr data-session={session.sessionKey}>
      <td class="clip">
        <button
          type="button"
          class="name"
          title={session.sessionKey}
          onClick={() => look({ tab: 'models', filters: filtersFor(session, isOfTenants) })}
        >
          {session.sessionKey}
        </button>
      </td>
      {isOfTenants ? <td class="text clip">{session.tenantId}</td> : null}
      <td class="text minor clip">{session.label ?? NOTHING}</td>
      <td class="text clip">{session.agentId ?? NOTHING}</td>
      <td class="text minor clip">{model === undefined ? 'the agent’s' : String(model)}</td>
      <td>{whole(session.messages)}</td>
      <td>{whole(usage.dispatches)}</td>
      <td>
        <Exact value={usage.total}>{compact(usage.total)}</Exact>
      </td>
      <td>
        <Exact value={usage.cost === null ? null : BigInt(usage.cost.nanoUsd)}>
          {usage.cost === null ? (usage.unpriced > 0 ? 'unpriced' : NOTHING) : money(BigInt(usage.cost.nanoUsd))}
        </Exact>
      </td>
      <td>
        {lastRunAt === null ? NOTHING : ago(Date.parse(lastRunAt), serverNow(), looked.value.zone)}
        {session.lastOutcome === null || session.lastOutcome === 'completed' ? null : (
          <small class={`outcome ${session.lastOutcome}`}> {session.lastOutcome}</small>
        )}
      </td>
    </tr>
  );
}

function filtersFor({ sessionKey, tenantId }: SessionInfo, isOfTenants: boolean): Filter[] {
  const session: Filter = { name: 'session', value: sessionKey, isExcluded: false };
  return isOfTenants ? [{ name: 'tenant', value: tenantId, isExcluded: false }, session] : [session];
}
