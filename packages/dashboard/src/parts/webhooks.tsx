/** Webhooks: where events go, how far each endpoint has come, what failed; to try one, to switch it, to send again what died. */
import { useSignal } from '@preact/signals';
import type { DeliveryInfo, WebhookInfo } from '@weighbridge/client';
import { looked } from '../address.ts';
import { client } from '../client.ts';
import { serverNow } from '../facts.ts';
import { ago, milliseconds, moment, NOTHING, whole } from '../format.ts';
import { messageOf } from '../problems.ts';
import { useAsked } from './asked.ts';
import { Headings } from './headings.tsx';
import { firstOf } from './pages.ts';
import { Panel } from './panel.tsx';

const FIRST = 50;
const MORE = 100;

export function Webhooks() {
  const { answer, problem, again } = useAsked('webhooks', () => client.webhooks());
  const openId = useSignal<string | null>(null);
  const told = useSignal('');
  const open = answer.value?.data.find(({ id }) => id === openId.value);
  const act = async (what: () => Promise<string>): Promise<void> => {
    try {
      told.value = await what();
    } catch (error) {
      told.value = messageOf(error);
    }
    await again();
  };
  return (
    <>
      {told.value === '' ? null : (
        <p class="told" role="status">
          {told.value}
        </p>
      )}
      <Panel
        title="Webhooks"
        answer={answer.value}
        problem={problem.value}
        empty="No endpoint yet. `webhooks` in the configuration, the API or the command line make them."
      >
        {({ data }) => (
          <table class="list">
            <Headings
              of={[
                ['Endpoint'],
                ['State', 'text'],
                ['Delivered'],
                ['Waiting'],
                ['Dead'],
                ['Behind'],
                ['Last delivered', 'minor'],
                ['Actions', 'sr'],
              ]}
            />
            <tbody>
              {data.map((endpoint) => (
                <Line
                  key={endpoint.id}
                  endpoint={endpoint}
                  isOpen={openId.value === endpoint.id}
                  act={act}
                  toggle={() => (openId.value = openId.value === endpoint.id ? null : endpoint.id)}
                />
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      {open === undefined ? null : <Deliveries key={open.id} endpoint={open} act={act} />}
    </>
  );
}

interface LineProps {
  endpoint: WebhookInfo;
  isOpen: boolean;
  act: (what: () => Promise<string>) => Promise<void>;
  toggle: () => void;
}

function Line({ endpoint, isOpen, act, toggle }: LineProps) {
  const { id, state } = endpoint;
  const isOff = state === 'disabled';
  return (
    <tr data-webhook={id}>
      <td class="clip">
        <button type="button" class="name" aria-expanded={isOpen} title={endpoint.url} onClick={toggle}>
          {endpoint.url}
        </button>
      </td>
      <td class="text" title={endpoint.disabledReason ?? endpoint.lastFailure ?? ''}>
        <span class={`outcome ${state === 'active' ? 'completed' : state === 'paused' ? 'aborted' : 'failed'}`}>
          {state}
        </span>
      </td>
      <td>{whole(endpoint.delivered)}</td>
      <td>{whole(endpoint.pending)}</td>
      <td>{endpoint.dead > 0 ? <b class="outcome failed">{whole(endpoint.dead)}</b> : 0}</td>
      <td>{whole(endpoint.behind)}</td>
      <td class="minor">
        {endpoint.lastDeliveredAt === null
          ? NOTHING
          : ago(Date.parse(endpoint.lastDeliveredAt), serverNow(), looked.value.zone)}
      </td>
      <td class="actions">
        <button
          type="button"
          class="quiet"
          aria-label={`Test ${endpoint.url}`}
          onClick={() =>
            void act(async () => {
              const { delivered, status, failure, latencyMs } = await client.testWebhook(id);
              return delivered
                ? `The test was delivered in ${milliseconds(latencyMs)} (${status}).`
                : `The test failed: ${failure ?? status}.`;
            })
          }
        >
          Test
        </button>
        <button
          type="button"
          class="quiet"
          aria-label={`${isOff ? 'Enable' : 'Disable'} ${endpoint.url}`}
          onClick={() =>
            void act(async () => {
              await (isOff ? client.enableWebhook(id) : client.disableWebhook(id));
              return isOff ? 'Enabled: it goes on where it was.' : 'Disabled: its events wait.';
            })
          }
        >
          {isOff ? 'Enable' : 'Disable'}
        </button>
      </td>
    </tr>
  );
}

function Deliveries({ endpoint: { id, dead }, act }: Pick<LineProps, 'endpoint' | 'act'>) {
  const count = useSignal(FIRST);
  const { answer, problem } = useAsked(`${id} ${count.value}`, () =>
    firstOf(count.value, (page) => client.webhookDeliveries(id, page)),
  );
  return (
    <Panel
      title="What failed so far"
      answer={answer.value}
      problem={problem.value}
      empty="Nothing waits and nothing died: every event was delivered."
      actions={
        dead > 0 ? (
          <button
            type="button"
            class="button"
            onClick={() =>
              void act(async () => {
                await client.replayWebhook(id, { dead: true });
                return 'What was dead is sent again.';
              })
            }
          >
            Replay what died
          </button>
        ) : null
      }
    >
      {({ data, hasMore }) => (
        <>
          <table class="list">
            <Headings
              of={[
                ['Message'],
                ['State', 'text'],
                ['Events'],
                ['Attempts'],
                ['Last failure', 'text'],
                ['Next attempt'],
              ]}
            />
            <tbody>
              {data.map((delivery) => (
                <DeliveryLine key={delivery.id} delivery={delivery} />
              ))}
            </tbody>
          </table>
          {hasMore ? (
            <button type="button" class="quiet more" onClick={() => (count.value += MORE)}>
              More of them
            </button>
          ) : null}
        </>
      )}
    </Panel>
  );
}

function DeliveryLine({ delivery }: { delivery: DeliveryInfo }) {
  const { zone } = looked.value;
  return (
    <tr>
      <td class="clip" title={delivery.id}>
        {delivery.id}
      </td>
      <td class="text">
        <span class={`outcome ${delivery.state === 'dead' ? 'failed' : 'aborted'}`}>
          {delivery.state === 'dead' ? 'dead' : 'waiting'}
        </span>
      </td>
      <td>{whole(delivery.seqs.length)}</td>
      <td>{whole(delivery.attempts)}</td>
      <td class="text clip" title={delivery.lastFailure}>
        {delivery.lastFailure}
      </td>
      <td>{delivery.nextAttemptAt === null ? NOTHING : moment(Date.parse(delivery.nextAttemptAt), zone)}</td>
    </tr>
  );
}
