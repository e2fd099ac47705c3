/**
 * Promise P3: a caller who hangs up is still metered. At each point of an answer, for each policy: one entry, the right
 * outcome and tokens, the upstream gone by the end of the drain, and nothing left behind in the process.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../packages/gateway/src/config/load.ts';
import { startGateway } from '../packages/gateway/src/gateway.ts';
import { quotas } from './quotas.ts';
import { Caller, type Exchange } from './rig/caller.ts';
import { tokenDifferences } from './rig/compare.ts';
import { scratchDirectory, scriptedConfig } from './rig/gateway-process.ts';
import type { JournalRequest } from './rig/journal.ts';
import { LedgerReader, type StoredEntry } from './rig/ledger-reader.ts';
import { type ScriptedProvider, startScriptedProvider } from './rig/scripted-provider.ts';
import { until } from './rig/until.ts';

type Policy = 'drain' | 'abort';

interface Rig {
  provider: ScriptedProvider;
  url: string;
  token: string;
  settledEntry(dispatchId: string): Promise<StoredEntry>;
  entryCount(): number;
}

const DRAIN_MS = 400;

async function withRig(
  t: { after(cleanUp: () => void | Promise<void>): void },
  policy: Policy,
  work: (rig: Rig) => Promise<void>,
): Promise<void> {
  const scratch = scratchDirectory(t);
  const provider = await startScriptedProvider(join(scratch, 'journal.ndjson'));
  const file = join(scratch, 'config.json5');
  const metering = { onCallerGone: policy, drain: { timeoutMs: DRAIN_MS } };
  writeFileSync(file, JSON.stringify(scriptedConfig(provider.baseUrl, { metering })));
  const stateDir = join(scratch, 'state');
  const { config, secrets } = await loadConfig({
    flags: { config: file, stateDir, port: '0' },
    variables: {},
    createToken: true,
  });
  const gateway = await startGateway(config, secrets);
  const ledger = new LedgerReader(join(config.stateDir, 'weighbridge.sqlite'));
  const find = (dispatchId: string) => ledger.entries().find((entry) => entry.dispatchId === dispatchId);
  try {
    await work({
      provider,
      url: gateway.url,
      token: secrets.token!.reveal(),
      entryCount: () => ledger.count(),
      settledEntry: async (dispatchId) => {
        await until(`${dispatchId} is settled`, () => (find(dispatchId)?.outcome ?? null) !== null);
        return find(dispatchId)!;
      },
    });
  } finally {
    assert.deepEqual(ledger.inconsistencies(), []);
    ledger.close();
    await gateway.close();
    await provider.close();
  }
}

/** Calls, waits for the moment, hangs up; returns the provider's request. */
async function hangUpWhen(
  rig: Rig,
  model: string,
  stream: boolean,
  moment: (exchange: Exchange, request: JournalRequest) => Promise<void>,
): Promise<JournalRequest> {
  const before = rig.provider.journal.lines.filter((line) => line.kind === 'request').length;
  const caller = new Caller(rig.url, rig.token);
  const exchange = caller.chat({ model: `scripted/${model}`, stream });
  const request = (await rig.provider.journal.when(
    (line) => line.kind === 'request' && line.n > before,
  )) as JournalRequest;
  await moment(exchange, request);
  caller.hangUp();
  return request;
}

const nothing = async (): Promise<void> => {};

/**
 * The gateway sees a hang-up as soon as its loop, which is ours, has looked at its sockets; the provider must not go on before
 * that. Where the machine stood still a timer alone is over before the loop has looked, so that is waited for too.
 */
async function afterHangUp(): Promise<void> {
  await sleep(30);
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

for (const policy of ['drain', 'abort'] as const) {
  describe(`hang-ups under the policy "${policy}"`, () => {
    test('before the first byte', async (t) => {
      await withRig(t, policy, async (rig) => {
        for (let round = 0; round < quotas.hangupsEach; round++) {
          for (const stream of [true, false]) {
            const request = await hangUpWhen(rig, 'ok-3+hold-head', stream, nothing);
            await afterHangUp();
            rig.provider.release();
            await checkAborted(rig, request, policy === 'drain');
          }
        }
      });
    });

    test('in the middle of an answer', async (t) => {
      await withRig(t, policy, async (rig) => {
        for (let round = 0; round < quotas.hangupsEach; round++) {
          const request = await hangUpWhen(rig, 'ok-6+hold-mid', true, (exchange) =>
            exchange.when(({ text }) => text.includes('-2 ')),
          );
          await afterHangUp();
          rig.provider.release();
          await checkAborted(rig, request, policy === 'drain');
          const body = await hangUpWhen(rig, 'ok-6+hold-mid', false, nothing);
          await afterHangUp();
          rig.provider.release();
          await checkAborted(rig, body, policy === 'drain');
        }
      });
    });

    test('after the usage chunk, before the end', async (t) => {
      await withRig(t, policy, async (rig) => {
        for (let round = 0; round < quotas.hangupsEach; round++) {
          const request = await hangUpWhen(rig, 'ok-4+hold-usage', true, (exchange) =>
            exchange.when(({ text }) => text.includes('"finish_reason":"stop"')),
          );
          await afterHangUp();
          rig.provider.release();
          // The count had come: whether the end was read or not, it is the provider's.
          await checkAborted(rig, request, true);
        }
      });
    });

    test('right after the last byte is no hang-up', async (t) => {
      await withRig(t, policy, async (rig) => {
        for (let round = 0; round < quotas.hangupsEach; round++) {
          for (const stream of [true, false]) {
            const request = await hangUpWhen(rig, 'ok-3', stream, (exchange) => exchange.when(({ sawEnd }) => sawEnd));
            const entry = await rig.settledEntry(request.dispatchId);
            assert.equal(entry.outcome, 'completed');
            assert.deepEqual(tokenDifferences(entry, request.tokens), []);
          }
        }
      });
    });

    test('a provider that never goes on is left when the drain is over, and the entry holds an estimate', async (t) => {
      await withRig(t, policy, async (rig) => {
        const request = await hangUpWhen(rig, 'ok-6+hang-mid', true, (exchange) =>
          exchange.when(({ text }) => text.includes('-2 ')),
        );
        const entry = await rig.settledEntry(request.dispatchId);
        assert.equal(entry.outcome, 'aborted');
        assert.equal(entry.usageSource, 'estimated');
        assert.ok(entry.input! > 0 && entry.output! > 0, 'an estimate is never zero');
        await rig.provider.socketsClosed();
      });
    });
  });
}

async function checkAborted(rig: Rig, request: JournalRequest, isExact: boolean): Promise<void> {
  const entry = await rig.settledEntry(request.dispatchId);
  assert.equal(entry.outcome, 'aborted');
  assert.equal(entry.usageSource, isExact ? 'reported' : 'estimated');
  if (isExact) assert.deepEqual(tokenDifferences(entry, request.tokens), []);
  else assert.ok(entry.input! > 0, 'an estimate is never zero');
}

test('nothing is left in the process: no timer, no socket, no thread', async (t) => {
  const before = resources();
  await withRig(t, 'drain', async (rig) => {
    const request = await hangUpWhen(rig, 'ok-6+hold-mid', true, nothing);
    await afterHangUp();
    rig.provider.release();
    await rig.settledEntry(request.dispatchId);
    assert.equal(rig.entryCount(), 1);
  });
  await until('all is closed', () => resources() === before, 3000).catch(() => assert.equal(resources(), before));
});

/** What keeps or could keep the process alive, but for the pipes of the test runner itself. */
function resources(): string {
  return process
    .getActiveResourcesInfo()
    .filter((name) => !/^(PipeWrap|TTYWrap|Immediate|FSReqCallback)$/.test(name))
    .sort()
    .join(' ');
}
