/** The part of the options table that is about webhooks: the endpoints of the file, and how many others may be made. */
import { boolean, choice, count, HOUR_MS, ms, names, type Option, other } from './option.ts';

export const WEBHOOK_OPTIONS = {
  'webhooks[].id': other('text', 'Names its place in the event log; made from the `url` unless given.'),
  'webhooks[].url': other('text', 'Where events go: https, or whatever `allowPrivate` opens.'),
  'webhooks[].events': names(
    ['model.usage'],
    'Which events: also `model.usage.corrected`, `session.patched`, `run.started`, `run.ended`.',
  ),
  'webhooks[].filter': other(
    'texts',
    'Only events whose `tenant`, `model`, `provider`, `agent`, `session`, `endUser`, `source`, `outcome` is exactly this.',
  ),
  'webhooks[].format': choice(
    'event',
    ['event', 'gateway-usage', 'litellm', 'cloudevents'],
    'What is sent: our event, OpenClaw’s usage webhook, LiteLLM’s log record, a CloudEvent.',
  ),
  'webhooks[].secret': other(
    'secrets',
    'Signs each message (Standard Webhooks, `whsec_…`); a list while one replaces another.',
  ),
  'webhooks[].token': other(
    'secret',
    'Sent with each message in `tokenHeader`, and as `gatewayToken` of `gateway-usage`.',
  ),
  'webhooks[].tokenHeader': other('text', 'The header for `token`; `authorization` (as a bearer) unless given.'),
  'webhooks[].timeoutMs': ms(15_000, 120_000, 'Longest attempt, connection and answer together.', 1),
  'webhooks[].retry.firstMs': ms(
    5_000,
    HOUR_MS,
    'Wait before the second attempt; the whole schedule of about 75 hours, and the breaker’s pause, scale with it.',
    1,
  ),
  'webhooks[].concurrency': count(4, 64, 'Attempts at once.'),
  'webhooks[].ordered': boolean(
    false,
    'One at a time, strictly in order: an event that fails holds those behind it until it is delivered or dead.',
  ),
  'webhooks[].batch.max': count(100, 1_000, 'Events in one message, which is then a list.'),
  'webhooks[].batch.waitMs': ms(1_000, HOUR_MS, 'Longest wait for a batch to fill.'),
  'webhooks[].allowPrivate': other(
    'blocks',
    'Lets it be http, loopback or private: `true`, or blocks and ports (`["10.0.0.0/8:443"]`). Link-local and metadata addresses stay refused.',
  ),

  'limits.webhooksMax': count(1_000, 10_000, 'Webhook endpoints made through the API.', 0),
  'limits.webhooksPerTenantMax': count(
    20,
    10_000,
    'Those of them for one tenant: each of its calls is sent to all of its endpoints. Endpoints for every tenant do not count.',
    0,
  ),
} as const satisfies Record<string, Option>;
