/** Methods of ours, beside OpenClaw's: to be told of every dispatch as it is settled. */
import { type Method, method } from './method.ts';

export interface UsageEventMethodsDeps {
  /** Begins to tell; gives the number of the last event before. */
  listen: () => Promise<number>;
}

/** What `GET /api/v1/events` takes: a key needs to be allowed to read what was called. */
const READ_USAGE = { scope: 'operator.read', keyScopes: ['read'], schema: null } as const;

export function usageEventMethods({ listen }: UsageEventMethodsDeps): Method[] {
  return [
    method({
      name: 'model.usage.subscribe',
      ...READ_USAGE,
      run: async (_params, { peer }) => {
        peer.followsUsage = true;
        return { subscribed: true, afterSeq: await listen() };
      },
    }),
    method({
      name: 'model.usage.unsubscribe',
      ...READ_USAGE,
      run: (_params, { peer }) => {
        peer.followsUsage = false;
        return { subscribed: false };
      },
    }),
  ];
}
