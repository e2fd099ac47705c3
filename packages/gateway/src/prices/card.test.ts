/** The tiers of service as vendors name them, and as prices know them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tierName } from './card.ts';

test('the standard service has many names, Vertex’ traffic types are tiers, and what has no price keeps its name', () => {
  for (const name of [
    null,
    '',
    'auto',
    'default',
    'standard',
    'ON_DEMAND',
    'TRAFFIC_TYPE_UNSPECIFIED',
    'unspecified',
  ]) {
    assert.equal(tierName(name), null, String(name));
  }
  assert.equal(tierName('flex'), 'flex');
  assert.equal(tierName('ON_DEMAND_FLEX'), 'flex');
  assert.equal(tierName('ON_DEMAND_PRIORITY'), 'priority');
  assert.equal(tierName('PROVISIONED_THROUGHPUT'), 'provisioned_throughput');
  assert.equal(tierName('fast'), 'fast');
});
