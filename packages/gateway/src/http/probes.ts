/** Probes, open to all and silent about everything but themselves: alive, started, ready. Paths are OpenClaw's. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ConfigStanding } from '../domain/reload.ts';
import type { Clock } from '../lib/clock.ts';
import { PROBE } from './schemas.ts';

export interface ProbeDeps {
  ledger: { readonly available: boolean };
  runs: { readonly draining: boolean };
  /** How the machine keeps up; null: nobody measures. */
  pressure: { readonly view: { shedding: boolean; eventLoopLagMs: number; ledgerWaitMs: number } } | null;
  /** The file system of the database; null: it is not a file of this machine. */
  disk: { readonly view: { freeBytes: number; usedPercent: number; belowFloor: boolean } | null } | null;
  /** Null: there is no file that could be newer. */
  config: { readonly view: ConfigStanding } | null;
  clock: Clock;
  version: string;
}

export function probes(
  app: FastifyInstance,
  { ledger, runs, pressure, disk, config, clock, version }: ProbeDeps,
): void {
  const startedAt = clock.monotonic();
  const uptimeMs = (): number => Math.round(clock.monotonic() - startedAt);
  const open = { config: { scope: 'open' as const }, schema: PROBE };
  const probe = (paths: string[], answer: (reply: FastifyReply) => unknown): void => {
    for (const path of paths) {
      app.get(path, open, (_request, reply) => {
        reply.header('cache-control', 'no-store');
        return answer(reply);
      });
    }
  };
  probe(['/health', '/healthz'], () => ({ ok: true, status: 'live' }));
  probe(['/startup', '/startupz'], () => ({ ok: true, status: 'started', version, uptimeMs: uptimeMs() }));
  probe(['/ready', '/readyz'], (reply) => {
    const failing = [
      ...(ledger.available ? [] : ['ledger']),
      ...(disk?.view?.belowFloor ? ['disk'] : []),
      ...(runs.draining ? ['draining'] : []),
    ];
    if (failing.length > 0) reply.code(503);
    // Shedding is no reason to be taken out: what is admitted is served, and the rest is told when to come back.
    return {
      ready: failing.length === 0,
      failing,
      uptimeMs: uptimeMs(),
      load: pressure?.view ?? null,
      disk: disk?.view ?? null,
      config: config?.view ?? null,
    };
  });
}
