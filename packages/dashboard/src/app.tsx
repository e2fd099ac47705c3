/** The whole page: head, the tab that is open, and the drawer over it. */
import { useEffect } from 'preact/hooks';
import { looked } from './address.ts';
import { Drawer } from './parts/drawer.tsx';
import { Head } from './parts/head.tsx';
import { Models } from './parts/models.tsx';

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
        {tab === 'models' ? <Models /> : null}
      </main>
      <Drawer />
    </>
  );
}
