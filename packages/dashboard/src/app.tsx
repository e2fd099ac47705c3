/** The whole page: head, the tab that is open, and the drawer over it. */

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { looked, type Tab } from './address.ts';
import { Customers } from './parts/customers.tsx';
import { Drawer } from './parts/drawer.tsx';
import { Head } from './parts/head.tsx';
import { Keyboard } from './parts/keyboard.tsx';
import { Models } from './parts/models.tsx';

const TABS: Readonly<Record<Tab, () => ComponentChildren>> = {
  models: () => <Models />,
  customers: () => <Customers />,
  sessions: () => null,
  webhooks: () => null,
  keys: () => null,
  health: () => null,
};

export function App() {
  const { tab } = looked.value;
  useEffect(() => {
    document.title = `${tab[0]!.toUpperCase()}${tab.slice(1)} · Weighbridge`;
  }, [tab]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Head />
      <main id="main" tabIndex={-1}>
        {TABS[tab]()}
      </main>
      <Drawer />
      <Keyboard />
    </>
  );
}
