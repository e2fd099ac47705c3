/** The whole page: head, the tab that is open, and the drawer over it. */

import type { FunctionComponent } from 'preact';
import { useEffect } from 'preact/hooks';
import { looked, type Tab, tabLabel } from './address.ts';
import { Customers } from './parts/customers.tsx';
import { Drawer } from './parts/drawer.tsx';
import { Head } from './parts/head.tsx';
import { Health } from './parts/health.tsx';
import { Keyboard, KeysButton } from './parts/keyboard.tsx';
import { Keys } from './parts/keys.tsx';
import { Models } from './parts/models.tsx';
import { Sessions } from './parts/sessions.tsx';
import { Webhooks } from './parts/webhooks.tsx';

const TABS: Readonly<Record<Tab, FunctionComponent>> = {
  models: Models,
  customers: Customers,
  sessions: Sessions,
  webhooks: Webhooks,
  keys: Keys,
  health: Health,
};

export function App() {
  const { tab } = looked.value;
  const Opened = TABS[tab];
  useEffect(() => {
    document.title = `${tabLabel(tab)} · Weighbridge`;
  }, [tab]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <KeysButton />
      <Head />
      <main id="main" tabIndex={-1}>
        <Opened />
      </main>
      <Drawer />
      <Keyboard />
    </>
  );
}
