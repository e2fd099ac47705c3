/** The whole client: what whoever looks on asks (console-client.ts), and what only programs do. */
import type {
  CreatedWebhook,
  IngestAnswer,
  List,
  ModelUsageRecord,
  PluginDetail,
  PluginInfo,
  PluginReplay,
  PluginReplayed,
  Reconciliation,
  RepricePage,
  SessionChanges,
  SessionInfo,
  TranscriptEntry,
  WebhookInfo,
  WebhookRequest,
} from '@weighbridge/protocol';
import { ConsoleClient, webhookPath } from './console-client.ts';
import type { ListedModel, OfTenant, ReconciliationQuery, RepriceQuery, SignInLink } from './queries.ts';
import { search } from './search.ts';

/** All of it, for programs: beside what ConsoleClient has, prices, reports, plugins, endpoints and sessions that are changed. */
export class WeighbridgeClient extends ConsoleClient {
  /** Our cost beside what providers said that calls cost. */
  reconciliation(query: ReconciliationQuery = {}): Promise<Reconciliation> {
    const groupBy = query.groupBy?.join(',') || undefined;
    return this.ask(`/api/v1/usage/reconciliation${search({ ...query, groupBy })}`);
  }

  /** One page of settled entries held against the prices in force, and corrected. For the operator only. */
  reprice(query: RepriceQuery): Promise<RepricePage> {
    return this.ask(`/api/v1/prices/reprice${search({ ...query })}`, { method: 'POST' });
  }

  /**
   * Usage that others counted: all of it or none, each record once by its `id`. Needs the scope `admin`; a record that
   * cannot be is a 400 that names it, an id that was another's a 409.
   */
  ingest(records: ModelUsageRecord | readonly ModelUsageRecord[]): Promise<IngestAnswer> {
    return this.ask('/api/v1/ingest/model_usage', { method: 'POST', body: records });
  }

  /** Plugins and how each stands. Takes the operator's credential, as does all that follows about plugins. */
  plugins(): Promise<List<PluginInfo>> {
    return this.ask('/api/v1/plugins');
  }

  plugin(id: string): Promise<PluginDetail> {
    return this.ask(`/api/v1/plugins/${encodeURIComponent(id)}`);
  }

  /** Its events once more. */
  replayPlugin(id: string, request: PluginReplay): Promise<PluginReplayed> {
    return this.ask(`/api/v1/plugins/${encodeURIComponent(id)}/replay`, { method: 'POST', body: request });
  }

  webhook(id: string): Promise<WebhookInfo> {
    return this.ask(webhookPath(id));
  }

  /** The answer is the only one that holds the secret. */
  createWebhook(request: WebhookRequest): Promise<CreatedWebhook> {
    return this.ask('/api/v1/webhooks', { method: 'POST', body: request });
  }

  removeWebhook(id: string): Promise<WebhookInfo> {
    return this.ask(webhookPath(id), { method: 'DELETE' });
  }

  /** A new secret; those before it go on signing for a while (a day unless told). */
  rotateWebhook(id: string, overlapMs?: number): Promise<CreatedWebhook> {
    return this.ask(webhookPath(id, 'rotate'), { method: 'POST', body: { overlapMs } });
  }

  session(sessionKey: string, query: OfTenant = {}): Promise<SessionInfo> {
    return this.ask(sessionPath(sessionKey) + search({ ...query }));
  }

  /** Makes the session where there is none; null clears. Runs admitted after the answer see it. */
  patchSession(sessionKey: string, changes: SessionChanges, query: OfTenant = {}): Promise<SessionInfo> {
    return this.ask(sessionPath(sessionKey) + search({ ...query }), { method: 'PATCH', body: changes });
  }

  /** With its transcript, or the transcript alone; the ledger keeps its entries. Needs the scope `admin`. */
  deleteSession(
    sessionKey: string,
    query: OfTenant & { transcriptOnly?: boolean | undefined } = {},
  ): Promise<{ object: 'session'; sessionKey: string; deleted: 'session' | 'transcript' }> {
    return this.ask(sessionPath(sessionKey) + search({ ...query }), { method: 'DELETE' });
  }

  /** The last messages, oldest first. Needs the scope `admin`. */
  transcript(
    sessionKey: string,
    query: OfTenant & { limit?: number | undefined; before?: number | undefined } = {},
  ): Promise<List<TranscriptEntry>> {
    return this.ask(`${sessionPath(sessionKey)}/transcript${search({ ...query })}`);
  }

  /** All of a transcript in OpenClaw's lines, as bytes. Needs the scope `admin`. */
  async exportTranscript(sessionKey: string, query: OfTenant = {}): Promise<AsyncIterable<Uint8Array>> {
    const path = `${sessionPath(sessionKey)}/transcript${search({ ...query, format: 'jsonl' })}`;
    return this.stream(path);
  }

  /** A link that signs in to the page once, as whoever asks, at that gateway. */
  createSignInLink(): Promise<SignInLink> {
    return this.ask('/api/v1/sign-in-links', { method: 'POST' });
  }

  /** What may be named as `model`: agents and the configured models of providers. */
  models(): Promise<{ object: 'list'; data: ListedModel[] }> {
    return this.ask('/v1/models');
  }
}

function sessionPath(sessionKey: string): string {
  return `/api/v1/sessions/${encodeURIComponent(sessionKey)}`;
}
