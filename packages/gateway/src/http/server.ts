/**
 * Door one: HTTP on the one port. Wires the surfaces into Fastify; routes name their path, scope and schema, and decide
 * nothing. Bodies arrive as bytes whatever their content type says, after the credential was checked.
 */

import { WEIGHBRIDGE_VERSION } from '@weighbridge/protocol';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import type { Access } from '../access/authenticate.ts';
import type { AnswerSink, Call } from '../domain/answer.ts';
import type { GatewayConfig } from '../domain/config.ts';
import { ownNamesOf } from '../domain/own-origin.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { asking } from './asking.ts';
import { headersOf, refusalOf } from './errors.ts';
import { type FeedDeps, feed } from './feed.ts';
import { type IngestDeps, ingest } from './ingest.ts';
import { type KeyRoutesDeps, keyRoutes } from './keys.ts';
import { closeLastConnections } from './last-connections.ts';
import { refuseExpectation, refuseMalformed, refuseUnroutable } from './malformed.ts';
import { type MetricsDeps, metrics } from './metrics.ts';
import { modelDoors } from './model-doors.ts';
import { type ModelsDeps, models } from './models.ts';
import { openapi, openapiRoute } from './openapi.ts';
import { page } from './page.ts';
import { builtPageFolder } from './page-files.ts';
import { type PluginRoutesDeps, pluginRoutes } from './plugins.ts';
import { guard } from './policy.ts';
import { type PricingDeps, pricing } from './prices.ts';
import { type ProbeDeps, probes } from './probes.ts';
import { type ProxyDeps, proxy, routedUrl } from './proxy.ts';
import { type DoorDeps, refuseEarly } from './refuse-early.ts';
import { type ReloadDeps, reloading } from './reload.ts';
import { type SessionRoutesDeps, sessionRoutes } from './sessions.ts';
import { cutSlowBodies } from './slow-bodies.ts';
import { validatorsOnDemand } from './validators.ts';
import { refusalBodyOf } from './vendor-errors.ts';
import { type WebhookRoutesDeps, webhookRoutes } from './webhooks.ts';

/** How often Node looks for slow senders of heads and bodies; by default it is so seldom that 15 s are 45. */
const SLOW_CHECK_MS = 1000;
const HEADER_BYTES_MAX = 16 * 1024;

const INDEX = `Weighbridge ${WEIGHBRIDGE_VERSION}: the meter in front of your models.

POST /v1/chat/completions   a call, metered      GET /v1/models       what may be called
POST /v1/responses, /v1/messages, /v1/embeddings; * /proxy/{provider}/…: other calls
GET  /api/v1/dispatches     every call           GET /api/v1/usage    sums
GET  /api/v1/events         live                 GET /openapi.json    all of it
GET  /models                the page for people
`;

export interface ServerDeps {
  config: GatewayConfig;
  access: Pick<Access, 'authenticate' | 'signIns'>;
  runs: DoorDeps &
    ProxyDeps['runs'] & {
      start(call: Call, sink: AnswerSink, callerGone: AbortSignal): Promise<void>;
      inFlight(): readonly { tenantId: string; runId: string }[];
      stop(runId: string): boolean;
      readonly draining: boolean;
    };
  ledger: { readonly available: boolean };
  store: Store;
  events: FeedDeps['events'];
  catalogue: ModelsDeps['catalogue'];
  clock: Clock;
  log: FastifyBaseLogger;
  closing: AbortSignal;
  /** Absent: keys cannot be made or revoked here. */
  keys?: KeyRoutesDeps['keys'];
  webhooks?: WebhookRoutesDeps['webhooks'];
  /** Absent: nothing is remembered. */
  sessions?: Omit<SessionRoutesDeps, 'rules'>;
  plugins?: PluginRoutesDeps['plugins'];
  prices?: Omit<PricingDeps, 'store' | 'clock'>;
  /** Absent: nothing is taken in that others counted. */
  ingest?: Omit<IngestDeps, 'limits' | 'clock' | 'priceOf'>;
  /** What this process measures; absent: there is no /metrics. */
  ofProcess?: MetricsDeps['ofProcess'];
  /** For the body of /readyz. */
  pressure?: ProbeDeps['pressure'];
  disk?: ProbeDeps['disk'];
  reloads?: ReloadDeps & NonNullable<ProbeDeps['config']>;
  /** Where the built page lies; absent: where the build puts it. */
  pageFolder?: string;
}

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

const COMPILERS: Compilers = {
  // The framework's type is that of its own compiler, which we spare the start.
  buildValidator: validatorsOnDemand as unknown as NonNullable<Compilers['buildValidator']>,
  // Response schemas are for the OpenAPI document only; compiling a serializer of each would cost the start.
  buildSerializer: () => () => (payload) => JSON.stringify(payload),
};

export async function buildServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { config, clock } = deps;
  const { headTimeoutMs, requestTimeoutMs } = config.limits;
  const app: FastifyInstance = Fastify({
    rewriteUrl: routedUrl,
    // A session's key in its path, each of its characters escaped.
    routerOptions: { maxParamLength: 6_144 },
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    // Slow bodies are cut by routes (slow-bodies.ts).
    requestTimeout: 0,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: headTimeoutMs,
      connectionsCheckingInterval: Math.min(SLOW_CHECK_MS, headTimeoutMs),
      noDelay: true,
      // Refused in policy.ts, with a body.
      requireHostHeader: false,
    },
    schemaController: { compilersFactory: COMPILERS },
    exposeHeadRoutes: true,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseMalformed,
    frameworkErrors: refuseUnroutable,
  });
  app.server.on('checkExpectation', refuseExpectation);
  closeLastConnections(app, headTimeoutMs);
  const methods = rememberMethods(app);
  // The routes that take a body read it themselves (body.ts); a path that is none of ours must not read any.
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  }
  answerErrors(app, methods);
  await openapi(app);
  refuseEarly(app, deps.runs);
  cutSlowBodies(app, requestTimeoutMs);
  const ownNames = () => ownNamesOf(deps.config);
  guard(app, { access: deps.access, ownNames });

  probes(app, {
    ledger: deps.ledger,
    runs: deps.runs,
    pressure: deps.pressure ?? null,
    disk: deps.disk ?? null,
    config: deps.reloads ?? null,
    clock,
    version: WEIGHBRIDGE_VERSION,
  });
  page(app, {
    access: deps.access,
    ownNames,
    store: deps.store,
    events: deps.events,
    clock,
    folder: deps.pageFolder ?? builtPageFolder(),
    catalogue: deps.catalogue,
  });
  app.get('/', { config: { scope: 'open' }, schema: { hide: true } }, (request, reply) => {
    if (request.headers.accept?.includes('text/html')) return reply.redirect('/models', 302);
    reply.type('text/plain; charset=utf-8');
    return INDEX;
  });
  modelDoors(app, { runs: deps.runs, limits: config.limits }, config.endpoints);
  if (config.endpoints.chatCompletions) models(app, { agents: config.agents, catalogue: deps.catalogue });
  if (config.endpoints.proxy) proxy(app, { runs: deps.runs, limits: config.limits });
  asking(app, { store: deps.store, runs: deps.runs, clock });
  if (deps.prices) pricing(app, { ...deps.prices, store: deps.store, clock });
  if (deps.ingest && deps.prices) {
    ingest(app, { ...deps.ingest, priceOf: deps.prices.priceOf, limits: config.limits, clock });
  }
  if (deps.keys) keyRoutes(app, { keys: deps.keys, clock });
  if (deps.ofProcess) {
    const { ofProcess, store } = deps;
    metrics(app, { store, ofProcess, seriesMax: () => config.limits.metricSeriesMax });
  }
  if (deps.webhooks) webhookRoutes(app, { webhooks: deps.webhooks });
  if (deps.sessions) sessionRoutes(app, { ...deps.sessions, rules: config.outboundHeaders });
  if (deps.plugins) pluginRoutes(app, { plugins: deps.plugins });
  if (deps.reloads) reloading(app, deps.reloads);
  feed(app, { events: deps.events, feedsMax: config.limits.feedsMax, closing: deps.closing });
  openapiRoute(app);
  return app;
}

function answerErrors(app: FastifyInstance, methods: MethodsByPath): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal.code === 'internal') request.log.error({ err: error }, 'a request failed');
    if (refusal.code === 'payload_too_large') reply.header('connection', 'close');
    reply.code(refusal.refusal.status).headers(headersOf(refusal)).send(refusalBodyOf(refusal, request));
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods(request.url);
    reply.type('text/plain; charset=utf-8');
    if (allowed.length === 0) return reply.code(404).send('Not Found');
    return reply.code(405).header('allow', allowed.join(', ')).send('Method Not Allowed');
  });
}

type MethodsByPath = (url: string) => string[];

/** Which methods a path has: Fastify does not say, and a wrong method is 405, not 404. */
function rememberMethods(app: FastifyInstance): MethodsByPath {
  const routes: { method: string; pattern: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+').replace(/\*/g, '.+')}$`);
    for (const name of [method].flat()) routes.push({ method: name, pattern });
  });
  return (url) => {
    const path = url.split('?')[0]!;
    return [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
  };
}
