/** The endpoints of the file: what is taken, what is refused in which words, and that no message holds a secret. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newSigningSecret } from '@weighbridge/protocol/webhook';
import type { WebhookEndpoint } from '../domain/webhook.ts';
import { decide } from './decide.ts';
import { readEnvironment } from './environment.ts';
import { ConfigError } from './findings.ts';

function endpointsOf(content: object, variables: Record<string, string> = {}): readonly WebhookEndpoint[] {
  const environment = readEnvironment(variables);
  return decide({ flags: {}, environment, file: { path: 'f', content }, stateDir: '/s', localAddresses: [] }).config
    .webhooks;
}

function problemOf(content: object): string {
  try {
    endpointsOf(content);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  assert.fail(`${JSON.stringify(content)} was taken`);
}

const of = (entry: object): object => ({ webhooks: [{ url: 'https://h.example/x', ...entry }] });

test('an endpoint has its defaults, and an id that no reload changes', () => {
  const [one] = endpointsOf(of({}));
  assert.ok(one !== undefined);
  const { id, ...rest } = one;
  assert.match(id, /^url-[0-9a-f]{12}$/);
  assert.deepEqual(rest, {
    origin: 'config',
    tenantId: null,
    url: 'https://h.example/x',
    events: ['model.usage'],
    filter: {},
    format: 'event',
    secrets: [],
    token: null,
    tokenHeader: null,
    timeoutMs: 15_000,
    firstMs: 5_000,
    concurrency: 4,
    ordered: false,
    batch: null,
    egress: { kind: 'public' },
  });
  assert.equal(endpointsOf({ webhooks: [{ url: 'https://a.example/' }, { url: 'https://h.example/x' }] })[1]!.id, id);
});

test('`gateway.usageWebhookUrl` takes https and this machine, and names what else is needed', () => {
  for (const url of ['http://127.0.0.1:9/u', 'http://localhost:9', 'http://[::1]/', 'https://billing.example/u?k=1']) {
    const [one] = endpointsOf({ gateway: { usageWebhookUrl: url } });
    assert.deepEqual([one?.id, one?.url, one?.format], ['usage', url, 'gateway-usage']);
  }
  for (const url of [
    'http://billing.example/',
    'http://10.0.0.5/',
    'https://10.0.0.5/',
    'https://169.254.169.254/',
    'x',
  ]) {
    assert.match(problemOf({ gateway: { usageWebhookUrl: url } }), /gateway\.usageWebhookUrl: /, url);
  }
  assert.match(problemOf({ gateway: { usageWebhookUrl: 'http://10.0.0.5/' } }), /allowPrivate/);
});

test('one secret or several, from the environment too', () => {
  const [old, young] = [newSigningSecret(), newSigningSecret()];
  const revealed = (content: object, variables = {}): string[] =>
    endpointsOf(content, variables)[0]!.secrets.map(({ secret }) => secret.reveal());
  assert.deepEqual(revealed(of({ secret: old })), [old]);
  assert.deepEqual(revealed(of({ secret: [young, old] })), [young, old]);
  assert.deepEqual(revealed(of({ secret: `\${${'S'}}` }), { S: young }), [young]);
  assert.deepEqual(revealed(of({ secret: [`\${${'S'}}`, old] }), { S: young }), [young, old]);
});

test('`allowPrivate` opens everything private, or blocks and ports', () => {
  assert.deepEqual(endpointsOf(of({ url: 'http://10.0.0.5:8080/', allowPrivate: true }))[0]!.egress, {
    kind: 'private',
  });
  const blocks = {
    url: 'http://10.0.0.5:8080/',
    allowPrivate: ['10.0.0.0/8:8080', '[fd00::/8]:443', '192.168.0.0/16'],
  };
  const { egress } = endpointsOf(of(blocks))[0]!;
  assert.deepEqual(egress.kind === 'blocks' && egress.blocks.map(({ port }) => port), [8080, 443, null]);
  assert.match(
    problemOf(of({ url: 'http://10.0.0.5:9/', allowPrivate: ['10.0.0.0/8:8080'] })),
    /not in `allowPrivate`/,
  );
  assert.match(problemOf(of({ url: 'http://169.254.169.254/', allowPrivate: true })), /nothing is ever sent there/);
  assert.match(
    problemOf(of({ allowPrivate: ['10.0.0.0/40'] })),
    /webhooks\[0\]\.allowPrivate\[0\]: is not an address block/,
  );
});

test('what is wrong is named with its place and its cure, and no secret is in it', () => {
  const canary = 'canary-4711';
  const rows: [object, RegExp][] = [
    [of({ secret: canary }), /webhooks\[0\]\.secret: is not a secret of Standard Webhooks\..*openssl/],
    [of({ secret: '' }), /webhooks\[0\]\.secret/],
    [of({ secret: [], events: [] }), /webhooks\[0\]\.events: is empty/],
    [of({ url: `http://h.example/${canary}` }), /webhooks\[0\]\.url: must begin with https/],
    [of({ url: `https://u:${canary}@h.example/` }), /holds a user or a password/],
    [{ webhooks: [{}] }, /webhooks\[0\]\.url: is missing/],
    [{ webhooks: {} }, /webhooks: must be a list/],
    [of({ events: ['model.usages'] }), /Did you mean "model.usage"/],
    [of({ events: ['session.patched'], format: 'litellm' }), /the format litellm has no words for session.patched/],
    [of({ filter: { agents: 'x' } }), /webhooks\[0\]\.filter\.agents: is no filter\. Did you mean `agent`/],
    [of({ format: 'xml' }), /webhooks\[0\]\.format: must be one of/],
    [of({ tokenHeader: 'webhook-signature', token: canary }), /is set by the message itself/],
    [of({ tokenHeader: 'content-length' }), /is set by the message itself/],
    [of({ id: 'usage' }), /is the name of gateway.usageWebhookUrl/],
    [of({ id: 'A B' }), /is not an id/],
    [of({ batch: { max: 0 } }), /webhooks\[0\]\.batch\.max: must be a whole number/],
    [of({ retries: 1 }), /webhooks\[0\]\.retries: is not a known key/],
    [
      { webhooks: [{ url: 'https://h.example/x' }, { url: 'https://h.example/x' }] },
      /webhooks\[1\]\.id: .*an `id` each/,
    ],
  ];
  for (const [content, expected] of rows) {
    const problem = problemOf(content);
    assert.match(problem, expected);
    assert.ok(!problem.includes(canary), problem);
  }
});
