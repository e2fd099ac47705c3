/** Keys: whose they are, what they may do, which still count. One is made here, and its text is shown this once. */
import { useSignal } from '@preact/signals';
import type { KeyInfo, KeyScope } from '@weighbridge/client';
import { useRef } from 'preact/hooks';
import { looked } from '../address.ts';
import { client } from '../client.ts';
import { DEFAULT_TENANT, facts } from '../facts.ts';
import { day, NOTHING } from '../format.ts';
import { messageOf } from '../problems.ts';
import { useAsked } from './asked.ts';
import { CopyButton } from './copy-button.tsx';
import { Headings } from './headings.tsx';
import { firstOf } from './pages.ts';
import { Panel } from './panel.tsx';
import { Problem } from './problem.tsx';
import { SureButton } from './sure-button.tsx';

const FIRST = 200;
const MORE = 200;

const SCOPES: readonly KeyScope[] = ['dispatch', 'read', 'metrics', 'admin'];

export function Keys() {
  const count = useSignal(FIRST);
  const { answer, problem, again } = useAsked(`keys ${count.value}`, () =>
    firstOf(count.value, (page) => client.keys(page)),
  );
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
      <Problem text={told.value} />
      <Panel<KeyInfo>
        title="Keys"
        answer={answer.value}
        problem={problem.value}
        empty="No key yet: everybody calls with the operator’s token."
      >
        {({ data, hasMore }) => (
          <>
            <table class="list">
              <Headings
                of={[
                  ['Name'],
                  ['Tenant', 'text'],
                  ['May', 'text'],
                  ['Key', 'text minor'],
                  ['State', 'text'],
                  ['Made', 'minor'],
                  ['Ends'],
                  ['Actions', 'sr'],
                ]}
              />
              <tbody>
                {data.map((key) => (
                  <tr key={key.keyId} data-key={key.keyId}>
                    <td class="clip" title={key.name}>
                      {key.name || NOTHING}
                    </td>
                    <td class="text clip" title={key.tenantId}>
                      {key.tenantId}
                    </td>
                    <td class="text">{key.scopes.join(', ')}</td>
                    <td class="text minor">{key.shown}</td>
                    <td class="text">
                      <span class={`outcome ${key.state === 'active' ? 'completed' : 'failed'}`}>{key.state}</span>
                    </td>
                    <td class="minor">{day(Date.parse(key.createdAt), zone)}</td>
                    <td>{key.expiresAt === null ? 'never' : day(Date.parse(key.expiresAt), zone)}</td>
                    <td class="actions">
                      {key.state === 'active' ? (
                        <SureButton
                          label="Revoke"
                          sure="Really revoke"
                          what={`the key ${key.name || key.shown}`}
                          act={() => revoke(key.keyId)}
                        />
                      ) : null}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {hasMore ? (
              <button type="button" class="quiet more" onClick={() => (count.value += MORE)}>
                More keys
              </button>
            ) : null}
          </>
        )}
      </Panel>
    </>
  );
}

function NewKey({ made }: { made: () => Promise<void> }) {
  const text = useSignal('');
  const shown = useRef<HTMLElement>(null);
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
          Tenant <input type="text" name="tenant" required defaultValue={DEFAULT_TENANT} />
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
      <Problem text={problem.value} />
      {text.value === '' ? null : (
        <p class="told" role="status">
          <code ref={shown}>{text.value}</code> <CopyButton text={text.value} what="the key" shown={shown} /> Nobody can
          read it again.{' '}
          <button type="button" class="quiet" onClick={() => (text.value = '')}>
            I have it
          </button>
        </p>
      )}
    </form>
  );
}
