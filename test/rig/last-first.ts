/** Clean-ups of a test, the last registered first: what was built on something goes before it. */

export interface Cleanups {
  after(cleanUp: () => void | Promise<void>): void;
}

export function lastFirst(t: Cleanups): Cleanups {
  const steps: (() => void | Promise<void>)[] = [];
  t.after(async () => {
    for (const step of steps.reverse()) await step();
  });
  return { after: (cleanUp) => void steps.push(cleanUp) };
}
