/** Webhooks: where events go, how far each endpoint has come, what failed; to try one, to switch it, to send again what died. */
import { useSignal } from '@preact/signals';
import type { DeliveryInfo, WebhookInfo } from '@weighbridge/client';
import { looked } from '../address.ts';
import { client } from '../client.ts';
import { serverNow } from '../facts.ts';
import { ago, milliseconds, moment, NOTHING, whole } from '../format.ts';
import { messageOf } from '../screen.ts';
import { useAsked } from './asked.ts';
import { Panel } from './panel.tsx';

export function Webhooks() {
  const { answer, problem, again } = useAsked('webhooks', () => client.webhooks());
  const openId = useSignal<string | null>(null);
  const told = useSignal('');
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
            <thead>
              <tr>
                <th scope="col">Endpoint</th>
                <th scope="col" class="text">
                  State
                </th>
                <th scope="col">Delivered</th>
                <th scope="col">Waiting</th>
                <th scope="col">Dead</th>
                <th scope="col">Behind</th>
                <th scope="col" class="minor">
                  Last delivered
                </th>
                <th scope="col" class="text">
                  <span class="sr">Actions</span>
                </th>
              </tr>
            </thead>
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
      {openId.value === null ? null : <Deliveries key={openId.value} id={openId.value} act={act} />}
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

function Deliveries({ id, act }: { id: string; act: LineProps['act'] }) {
  const { answer, problem } = useAsked(id, () => client.webhookDeliveries(id, { limit: 50 }));
  const hasDead = answer.value?.data.some(({ state }) => state === 'dead') ?? false;
  return (
    <Panel
      title="What failed so far"
      answer={answer.value}
      problem={problem.value}
      empty="Nothing waits and nothing died: every event was delivered."
      actions={
        hasDead ? (
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
      {({ data }) => (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Message</th>
              <th scope="col" class="text">
                State
              </th>
              <th scope="col">Events</th>
              <th scope="col">Attempts</th>
              <th scope="col" class="text">
                Last failure
              </th>
              <th scope="col">Next attempt</th>
            </tr>
          </thead>
          <tbody>
            {data.map((delivery) => (
              <DeliveryLine key={delivery.id} delivery={delivery} />
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function DeliveryLine({ delivery }: { delivery: DeliveryInfo }) {
  const { zone } = looked.value;
  return (
    <tr>
      <td class="clip">{delivery.id}</td>
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
