/**
 * Runs in a plugin's own process: imports the plugin, says what it is, then does one task after the other as they come and
 * answers each. A plugin can break everything in here; what counts is decided on the other side.
 */
import { createInterface } from 'node:readline';
import type { DispatchRecord, EventEnvelope } from '@weighbridge/protocol';
import type { DispatchCompleteEvent, PluginContext, PluginDefinition } from '../definition.ts';
import { HOOKS, OBSERVERS, type ObservedType } from '../hooks.ts';
import type { Defined, FromPlugin, Task, ToPlugin } from '../messages.ts';
import { provideImports } from './imports.ts';
import { type Lines, takeConsole } from './lines.ts';
import { fromOpenClaw, registerOf } from './openclaw.ts';
import { endWith } from './orphan.ts';
import { frozen, withPlainNames } from './plain-names.ts';

const ERROR_CHARS_MAX = 500;

type Load = Extract<ToPlugin, { kind: 'load' }>;

// Written at once, also when what comes next never ends.
const write = process.stdout.write.bind(process.stdout);
const send = (message: FromPlugin): void => void write(`${JSON.stringify(message)}\n`);
let lines: Lines;
let plugin: unknown;
let definition: PluginDefinition = { id: '' };
let context: PluginContext;
let manifestId: string | null = null;
let stateDir = '';

// Whether it ends is the gateway's to say: signals to all of a terminal or a unit are not meant for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => send({ kind: 'stray', error: errorText(error) }));
}
provideImports();
const reader = createInterface({ input: process.stdin });
reader.on('line', (line) => receive(JSON.parse(line) as ToPlugin));
// The gateway is gone.
reader.on('close', () => process.exit());

function receive(message: ToPlugin): void {
  if (message.kind === 'ping') send({ kind: 'pong' });
  else if (message.kind === 'task') void answer(message.n, message.task);
  else if (message.kind === 'begin') begin(message.config);
  else void load(message);
}

async function load({ entry, id, stateDir: folder, logLinesMax, parent }: Load): Promise<void> {
  endWith(parent);
  lines = takeConsole(send, logLinesMax);
  manifestId = id;
  stateDir = folder;
  try {
    plugin = defaultOf(await import(entry));
    send({ kind: 'defined', defined: definedOf() });
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

function definedOf(): Defined {
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

function hooksOf(of: PluginDefinition): string[] {
  return HOOKS.filter((name) => typeof (of as unknown as Record<string, unknown>)[name] === 'function');
}

function begin(config: string): void {
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
