/** Drives scripts: the one loop that both engines share, once over a synchronous executor and once over an asynchronous one. */
import type { Answer, Script, Step } from './steps.ts';

/** Scripts by name, as the rooms' modules export them. */
export type Scripts = ReadonlyMap<string, Script<unknown, unknown>>;

export async function loadScripts(urls: readonly string[]): Promise<Scripts> {
  const scripts = new Map<string, Script<unknown, unknown>>();
  for (const url of urls) {
    const exported: Record<string, unknown> = await import(url);
    for (const [name, script] of Object.entries(exported)) scripts.set(name, script as Script<unknown, unknown>);
  }
  return scripts;
}

export function runScript(
  scripts: Scripts,
  name: string,
  inputs: readonly unknown[],
  execute: (step: Step) => Answer,
): unknown[] {
  const steps = scriptNamed(scripts, name)(inputs);
  let next = steps.next();
  while (!next.done) next = steps.next(next.value.map(execute));
  return next.value;
}

export async function runScriptAsync(
  scripts: Scripts,
  name: string,
  inputs: readonly unknown[],
  execute: (steps: readonly Step[]) => Promise<readonly Answer[]>,
): Promise<unknown[]> {
  const steps = scriptNamed(scripts, name)(inputs);
  let next = steps.next();
  while (!next.done) next = steps.next(await execute(next.value));
  return next.value;
}

function scriptNamed(scripts: Scripts, name: string): Script<unknown, unknown> {
  const script = scripts.get(name);
  if (!script) throw new Error(`no script is named ${name}`);
  return script;
}
