/** Keys: whose they are, what they may do, which still count. One is made here, and its text is shown this once. */
import { useSignal } from '@preact/signals';
import type { KeyInfo, KeyScope } from '@weighbridge/client';
import { looked } from '../address.ts';
import { client } from '../client.ts';
import { facts } from '../facts.ts';
import { day, NOTHING } from '../format.ts';
import { messageOf } from '../screen.ts';
import { useAsked } from './asked.ts';
import { Panel } from './panel.tsx';
import { SureButton } from './sure-button.tsx';

const SCOPES: readonly KeyScope[] = ['dispatch', 'read', 'metrics', 'admin'];

export function Keys() {
  const { answer, problem, again } = useAsked('keys', () => client.keys({ limit: 200 }));
  const told = useSignal('');
  const revoke = async (keyId: string): Promise<void> => {
    try {
      await client.revokeKey(keyId);
      told.value = '';
    } catch (error) {
      told.value = messageOf(error);
    }
    await again();
  };
  const { zone } = looked.value;
  return (
    <>
      <NewKey made={again} />
      {told.value === '' ? null : (
        <p role="alert" class="problem">
          {told.value}
        </p>
      )}
      <Panel<KeyInfo>
        title="Keys"
        answer={answer.value}
        problem={problem.value}
        empty="No key yet: everybody calls with the operator’s token."
      >
        {({ data }) => (
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="text">
                  Tenant
                </th>
                <th scope="col" class="text">
                  May
                </th>
                <th scope="col" class="text minor">
                  Key
                </th>
                <th scope="col" class="text">
                  State
                </th>
                <th scope="col" class="minor">
                  Made
                </th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span class="sr">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.map((key) => (
                <tr key={key.keyId} data-key={key.keyId}>
                  <td class="clip">{key.name || NOTHING}</td>
                  <td class="text clip">{key.tenantId}</td>
                  <td class="text">{key.scopes.join(', ')}</td>
                  <td class="text minor">{key.shown}</td>
                  <td class="text">
                    <span class={`outcome ${key.state === 'active' ? 'completed' : 'failed'}`}>{key.state}</span>
                  </td>
                  <td class="minor">{day(Date.parse(key.createdAt), zone)}</td>
                  <td>{key.expiresAt === null ? 'never' : day(Date.parse(key.expiresAt), zone)}</td>
                  <td class="actions">
                    {key.state === 'active' ? (
                      <SureButton label="Revoke" sure="Really revoke" act={() => revoke(key.keyId)} />
                    ) : null}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </>
  );
}

function NewKey({ made }: { made: () => Promise<void> }) {
  const text = useSignal('');
  const problem = useSignal('');
  const make = async (form: HTMLFormElement): Promise<void> => {
    const given = new FormData(form);
    try {
      const { key } = await client.createKey({
        tenantId: facts.tenantId ?? String(given.get('tenant')),
        name: String(given.get('name')),
        scopes: SCOPES.filter((scope) => given.has(scope)),
      });
      text.value = key;
      problem.value = '';
      form.reset();
    } catch (error) {
      problem.value = messageOf(error);
    }
    await made();
  };
  return (
    <form
      class="card new-key"
      aria-label="A new key"
      onSubmit={(event) => {
        event.preventDefault();
        void make(event.currentTarget);
      }}
    >
      <label>
        Name <input type="text" name="name" maxLength={100} />
      </label>
      {facts.tenantId === null ? (
        <label>
          Tenant <input type="text" name="tenant" required defaultValue="default" />
        </label>
      ) : null}
      <fieldset class="scopes">
        <legend>May</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input type="checkbox" name={scope} defaultChecked={scope === 'dispatch'} /> {scope}
          </label>
        ))}
      </fieldset>
      <button type="submit" class="button">
        Make a key
      </button>
      {problem.value === '' ? null : (
        <p role="alert" class="problem">
          {problem.value}
        </p>
      )}
      {text.value === '' ? null : (
        <p class="told" role="status">
          <code>{text.value}</code> Nobody can read it again.{' '}
          <button type="button" class="quiet" onClick={() => (text.value = '')}>
            I have it
          </button>
        </p>
      )}
    </form>
  );
}
