/** How the page is built: two pages (signed in, not signed in), one script and one sheet of styles each, nothing inline. */
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/models/',
  // Vite's own compiler reads the JSX; a plugin would be the slower way to the same code.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    emptyOutDir: true,
    // A picture in a style sheet would be a `data:` address, which the page's policy forbids.
    assetsInlineLimit: 0,
    // The one script that comes later brings no sheet and no other script: nothing is to be loaded before it.
    modulePreload: false,
    rolldownOptions: {
      input: { page: 'index.html', signIn: 'sign-in.html' },
      // Nothing of ours does anything by being read.
      treeshake: { propertyReadSideEffects: false, unknownGlobalSideEffects: false },
    },
  },
});
