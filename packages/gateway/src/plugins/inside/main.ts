/**
 * Runs inside a plugin's thread: imports the plugin, says what it is, then does one task after the other as they come and
 * answers each. A plugin can break everything in here; what counts is decided on the other side of the border.
 */
import { workerData } from 'node:worker_threads';
import type { DispatchRecord, EventEnvelope } from '@weighbridge/protocol';
import type { DispatchCompleteEvent, PluginContext, PluginDefinition } from '../definition.ts';
import { HOOKS, OBSERVERS, type ObservedType } from '../hooks.ts';
import type { Defined, FromThread, Task, ThreadStart, ToThread } from '../messages.ts';
import { provideImports } from './imports.ts';
import { type Lines, takeConsole } from './lines.ts';
import { fromOpenClaw, registerOf } from './openclaw.ts';
import { frozen, withPlainNames } from './plain-names.ts';

const ERROR_CHARS_MAX = 500;

const { port, entry, id: manifestId, stateDir, logLinesMax } = workerData as ThreadStart;
// Nothing of ours is for the plugin to find.
for (const key of Object.keys(workerData as object)) delete (workerData as Record<string, unknown>)[key];

const send = (message: FromThread): void => port.postMessage(message);
const lines: Lines = takeConsole(send, logLinesMax);
let definition: PluginDefinition = { id: '' };
let context: PluginContext;

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => send({ kind: 'stray', error: errorText(error) }));
}
provideImports();
await load();

async function load(): Promise<void> {
  try {
    const plugin = defaultOf(await import(entry));
    port.on('message', (message: ToThread) => receive(message, plugin));
    send({ kind: 'defined', defined: definedOf(plugin) });
  } catch (error) {
    send({ kind: 'unloadable', reason: errorText(error) });
  }
}

/** CommonJS and its translations put one more `default` around it. */
function defaultOf(module: unknown): unknown {
  let found = (module as { default?: unknown }).default;
  for (let depth = 0; depth < 2; depth++) {
    const inner = (found as { default?: unknown } | null | undefined)?.default;
    if (inner === undefined) break;
    found = inner;
  }
  return found;
}

function definedOf(plugin: unknown): Defined {
  const { id, intercept } = (plugin ?? {}) as Partial<PluginDefinition>;
  const isOpenClaw = registerOf(plugin) !== null;
  if (plugin === undefined || plugin === null) throw new Error('it has no default export');
  const named = typeof id === 'string' ? id : manifestId;
  if (named === null) throw new Error('its default export has no `id`');
  const { timeoutMs, onFailure } = intercept ?? {};
  return {
    id: String(named),
    hooks: isOpenClaw ? [] : hooksOf(plugin as PluginDefinition),
    intercept: {
      timeoutMs: typeof timeoutMs === 'number' ? timeoutMs : null,
      onFailure: typeof onFailure === 'string' ? onFailure : null,
    },
    isOpenClaw,
  };
}

function hooksOf(plugin: PluginDefinition): string[] {
  return HOOKS.filter((name) => typeof (plugin as unknown as Record<string, unknown>)[name] === 'function');
}

function receive(message: ToThread, plugin: unknown): void {
  if (message.kind === 'ping') send({ kind: 'pong', n: message.n });
  else if (message.kind === 'begin') begin(plugin, message.config);
  else void answer(message.n, message.task);
}

function begin(plugin: unknown, config: string): void {
  try {
    const id = String((plugin as { id?: unknown }).id ?? manifestId);
    context = {
      pluginId: id,
      config: frozen(JSON.parse(config) as unknown),
      log: {
        info: (...message) => lines.say('info', ...message),
        warn: (...message) => lines.say('warn', ...message),
        error: (...message) => lines.say('error', ...message),
      },
    };
    definition =
      registerOf(plugin) === null ? (plugin as PluginDefinition) : fromOpenClaw(plugin, id, context, stateDir);
    send({ kind: 'ready', hooks: hooksOf(definition) });
  } catch (error) {
    send({ kind: 'unloadable', reason: errorText(error) });
  }
}

async function answer(n: number, task: Task): Promise<void> {
  try {
    send({ kind: 'done', n, error: null, answer: (await perform(task)) ?? null });
  } catch (error) {
    // An answer that cannot be copied is thrown here as well.
    send({ kind: 'done', n, error: errorText(error), answer: null });
  }
}

async function perform(task: Task): Promise<unknown> {
  if (task.kind === 'event') return observe(task.event, task.delivery);
  if (task.kind === 'start') return definition.onGatewayStart?.(frozen(task.event), context);
  if (task.kind === 'stop') return definition.onGatewayStop?.(frozen(task.event), context);
  return definition.beforeModelDispatch?.(frozen(task.dispatch), context);
}

async function observe(envelope: EventEnvelope, delivery: number): Promise<void> {
  const { id: eventId, seq, timestamp, ledgerId, type } = envelope;
  const isUsage = type === 'model.usage' || type === 'model.usage.corrected';
  const event = frozen(isUsage ? withPlainNames(envelope.data as DispatchRecord) : envelope.data);
  const ctx = Object.freeze({ ...context, eventId, seq, timestamp, ledgerId, delivery });
  const hook = OBSERVERS[type as ObservedType];
  // Each hook has its own type of event; the table says which.
  const call = definition[hook] as ((event: DispatchCompleteEvent, ctx: object) => unknown) | undefined;
  await call?.call(definition, event as DispatchCompleteEvent, ctx);
}

function errorText(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return text.slice(0, ERROR_CHARS_MAX);
  } catch {
    return 'something that cannot be said';
  }
}
