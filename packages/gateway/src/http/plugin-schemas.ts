/** What the routes of plugins take and give, as JSON Schema; the body is read and checked in plugins/register.ts. */
import { answers, described, operatorToken, text } from './schemas.ts';

const common = { tags: ['plugins'], security: operatorToken } as const;
const params = { type: 'object', properties: { id: text('The plugin’s id.') } } as const;

export const PLUGINS = {
  summary: 'Plugins and how each stands',
  ...common,
  response: answers(described('`{"object":"list","data":[plugin],"hasMore","nextCursor"}`')),
} as const;

export const PLUGIN = {
  summary: 'One plugin, and the events that it failed on',
  ...common,
  params,
  response: answers(described('The plugin’s facts, and `eventsAside`: the newest hundred that were set aside.')),
} as const;

export const REPLAY_PLUGIN = {
  summary: 'Deliver events to a plugin again',
  description: 'One of `{"fromSeq"}`, `{"since"}` (ISO 8601), `{"setAside":true}`. Same events, same ids.',
  ...common,
  params,
  response: answers(described('`{"object":"plugin_replay","id","fromSeq","setAside"}`')),
} as const;
