/**
 * Methods about what there is nothing of here: commands, schedules, devices, questions, approvals. Clients ask for these
 * when they start and go on when they hear that there is none; each answers in the form that they expect.
 */
import type { WireScope } from '../scopes.ts';
import { type Method, method } from './method.ts';

const NOTHING: readonly [name: string, scope: WireScope, schema: string | null, answer: unknown][] = [
  ['commands.list', 'operator.read', 'CommandsListParams', { commands: [] }],
  ['cron.status', 'operator.read', null, { enabled: false, jobs: 0, nextWakeAtMs: null }],
  ['device.pair.list', 'operator.pairing', 'DevicePairListParams', { pending: [], paired: [] }],
  ['question.list', 'operator.questions', 'QuestionListParams', { questions: [] }],
  ['exec.approval.list', 'operator.approvals', null, []],
  ['plugin.approval.list', 'operator.approvals', null, []],
  ['openclaw.approval.list', 'operator.approvals', null, []],
  ['taskSuggestions.list', 'operator.read', 'TaskSuggestionsListParams', { suggestions: [] }],
  ['tasks.list', 'operator.read', 'TasksListParams', { tasks: [] }],
  ['node.list', 'operator.read', 'NodeListParams', { nodes: [] }],
];

const NEEDS = { keyScopes: ['read', 'dispatch'] } as const;

export function emptyMethods(): Method[] {
  const none = NOTHING.map(([name, scope, schema, answer]) =>
    method({ name, scope, ...NEEDS, schema, run: () => answer }),
  );
  // Its readers check that a page is the one that they asked for.
  const schedule = method<{ offset?: number; limit?: number }>({
    name: 'cron.list',
    scope: 'operator.read',
    ...NEEDS,
    schema: 'CronListParams',
    run: ({ offset = 0, limit = 200 }) => ({
      ...{ jobs: [], snapshotRevision: 'none', total: 0, offset, limit, hasMore: false, nextOffset: null },
    }),
  });
  return [...none, schedule];
}
