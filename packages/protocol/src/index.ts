/** The public shapes of Weighbridge. Types and pure functions only: no I/O, no server. */
export * from './error.ts';
export * from './event.ts';
export * from './ingest.ts';
export * from './key.ts';
export * from './plugin.ts';
export * from './prices.ts';
export * from './query.ts';
export * from './session.ts';
export * from './usage.ts';
export * from './version.ts';
export * from './webhook-endpoint.ts';
