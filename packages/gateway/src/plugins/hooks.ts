/** Which event of the log goes to which hook. Read on both sides of a plugin's process, so it imports nothing. */

export const OBSERVERS = {
  'model.usage': 'onModelDispatchComplete',
  'model.usage.corrected': 'onModelUsageCorrected',
  'run.started': 'onRunStart',
  'run.ended': 'onRunEnd',
  'session.patched': 'onSessionPatched',
} as const;

export type ObservedType = keyof typeof OBSERVERS;
export const OBSERVED_TYPES = Object.keys(OBSERVERS) as ObservedType[];

export const LIFE_HOOKS = ['onGatewayStart', 'onGatewayStop'] as const;
export const INTERCEPT_HOOK = 'beforeModelDispatch';
export const HOOKS: readonly string[] = [...Object.values(OBSERVERS), ...LIFE_HOOKS, INTERCEPT_HOOK];

/** The event types that these hooks want. */
export function typesFor(hooks: readonly string[]): ObservedType[] {
  return OBSERVED_TYPES.filter((type) => hooks.includes(OBSERVERS[type]));
}
