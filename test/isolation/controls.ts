/**
 * Gateways that leak on purpose: how the isolation test shows that it would find a leak. Each puts something between the
 * runs and what sessions remember, or between the dispatches and the ledger.
 */
import { NO_OUTBOUND, type OutboundHeaders } from '../../packages/gateway/src/domain/outbound-headers.ts';
import type { Overrides } from '../../packages/gateway/src/gateway.ts';
import type { Ledger } from '../../packages/gateway/src/ledger/ledger.ts';
import type { Session } from '../../packages/gateway/src/sessions/session.ts';
import type { Sessions } from '../../packages/gateway/src/sessions/sessions.ts';

export type Control = keyof typeof CONTROLS;

export const CONTROLS = {
  none: {},
  'headers read when a request is sent': { wrapSessions: readAtSendTime },
  'sessions mixed up now and then': { wrapSessions: mixedUp },
  'a ledger that names another session': { wrapLedger: misnamed },
} as const satisfies Record<string, Overrides>;

const EVERY = 50;

/** Sessions as they would be if their headers were read when a request is sent, not when its run is admitted. */
function readAtSendTime(sessions: Sessions): Sessions {
  const live = <Found extends Session | null>(session: Found): Found => {
    if (session === null) return session;
    const { tenantId, sessionKey } = session;
    const now = (): OutboundHeaders => {
      const found = sessions.snapshot(tenantId, sessionKey);
      return found === null || found instanceof Promise ? NO_OUTBOUND : found.outboundHeaders;
    };
    const outboundHeaders = new Proxy({} as OutboundHeaders, {
      ownKeys: () => Reflect.ownKeys(now()),
      get: (_none, name) => Reflect.get(now(), name),
      getOwnPropertyDescriptor: (_none, name) => ({
        ...Reflect.getOwnPropertyDescriptor(now(), name),
        configurable: true,
      }),
    });
    return { ...session, outboundHeaders };
  };
  return wrapped(sessions, live);
}

/** Sessions that now and then hand out another's. */
function mixedUp(sessions: Sessions): Sessions {
  let before: Session | null = null;
  let count = 0;
  return wrapped(sessions, (session) => {
    if (session === null) return session;
    const other = count++ % EVERY === 0 ? before : null;
    before = session;
    return other === null ? session : { ...session, outboundHeaders: other.outboundHeaders };
  });
}

function wrapped(sessions: Sessions, change: <Found extends Session | null>(session: Found) => Found): Sessions {
  const later = <Found extends Session | null>(found: Found | Promise<Found>): Found | Promise<Found> =>
    found instanceof Promise ? found.then(change) : change(found);
  const own: Pick<Sessions, 'snapshot' | 'open' | 'patch'> = {
    snapshot: (...name) => later(sessions.snapshot(...name)),
    open: (...name) => later(sessions.open(...name)),
    patch: async (...patch) => change(await sessions.patch(...patch)),
  };
  return new Proxy(sessions, {
    get: (real, name) => {
      const found: unknown = Object.hasOwn(own, name) ? Reflect.get(own, name) : Reflect.get(real, name, real);
      return typeof found === 'function' ? found.bind(real) : found;
    },
  });
}

function misnamed(ledger: Ledger): Ledger {
  let count = 0;
  return {
    get ledgerId() {
      return ledger.ledgerId;
    },
    get available() {
      return ledger.available;
    },
    settle: (settlement) => ledger.settle(settlement),
    open: (intent) => {
      const attribution = { ...intent.attribution, sessionKey: 'agent:iso:s0' };
      return ledger.open(count++ % EVERY === 0 ? { ...intent, attribution } : intent);
    },
  };
}
