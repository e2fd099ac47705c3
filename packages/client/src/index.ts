/**
 * The client of the Weighbridge API for browsers and Node: typed questions over `fetch`, nothing else. The shapes of
 * the answers are those of `@weighbridge/protocol`, which it hands on.
 */

export type * from '@weighbridge/protocol';
export { ApiError } from './api-error.ts';
export * from './client.ts';
export { type ClientOptions, ConsoleClient } from './console-client.ts';
export type * from './queries.ts';
