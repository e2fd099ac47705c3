/**
 * The gateway with one promise broken on purpose (`WEIGHBRIDGE_TEST_BREAK`), for negative controls: a comparison that
 * finds nothing wrong with it proves nothing about the real one. Takes the arguments that `serve` takes in these tests.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../../packages/gateway/src/config/load.ts';
import type { EntryIntent } from '../../packages/gateway/src/domain/entry.ts';
import { startGateway } from '../../packages/gateway/src/gateway.ts';
import type { Ledger } from '../../packages/gateway/src/ledger/ledger.ts';

/** Milliseconds by which the late settlement comes after the answer. */
const LATE_MS = 30;

/** Records a dispatch only when it is over, as most gateways do. */
function withoutIntent(ledger: Ledger): Ledger {
  const intents = new Map<string, EntryIntent>();
  return {
    ledgerId: ledger.ledgerId,
    available: true,
    open: async (intent) => void intents.set(intent.dispatchId, intent),
    settle: async (settlement) => {
      await ledger.open(intents.get(settlement.dispatchId)!);
      await ledger.settle(settlement);
    },
  };
}

/** Lets the answer end first and writes the settlement after it. */
function settledLate(ledger: Ledger): Ledger {
  return {
    ledgerId: ledger.ledgerId,
    available: true,
    open: (intent) => ledger.open(intent),
    settle: async (settlement) => {
      setTimeout(() => void ledger.settle(settlement).catch(() => {}), LATE_MS);
    },
  };
}

const breaks: Record<string, (ledger: Ledger) => Ledger> = { 'no-intent': withoutIntent, 'late-settle': settledLate };
const wrapLedger = breaks[process.env.WEIGHBRIDGE_TEST_BREAK ?? ''];
if (!wrapLedger) throw new Error(`WEIGHBRIDGE_TEST_BREAK must be one of ${Object.keys(breaks).join(', ')}`);

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { port: { type: 'string' }, 'state-dir': { type: 'string' }, config: { type: 'string' } },
});
const { config, secrets } = await loadConfig({
  flags: { port: values.port!, stateDir: values['state-dir']!, config: values.config! },
  createToken: true,
});
const gateway = await startGateway(config, secrets, { wrapLedger });
console.log(`weighbridge listening on ${gateway.url}`);
