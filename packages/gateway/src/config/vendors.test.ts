/** The capability table: every row can be used as it stands, and an address tells its vendor. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APIS, type Api } from '../domain/provider.ts';
import { baseUrlFor, VENDORS, vendorByOrigin } from './vendors.ts';

test('every vendor has one row, addresses that are https without a slash at the end, and variables of its own', () => {
  const ids = VENDORS.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const variables = VENDORS.flatMap(({ keyVariables, baseUrlVariables }) => [...keyVariables, ...baseUrlVariables]);
  assert.equal(new Set(variables).size, variables.length);
  for (const vendor of VENDORS) {
    assert.ok(!(vendor.api in vendor.also), vendor.id);
    for (const url of [vendor.baseUrl, ...Object.values(vendor.also)]) {
      assert.equal(new URL(url).protocol, 'https:');
      assert.ok(!url.endsWith('/'), url);
      assert.equal(vendorByOrigin(new URL(url).origin), vendor, url);
    }
    for (const api of Object.keys(vendor.also)) assert.ok(APIS.includes(api as Api), api);
  }
});

test('a vendor’s other dialects have their own address, a dialect it does not speak none', () => {
  const anthropic = VENDORS.find(({ id }) => id === 'anthropic')!;
  const deepseek = VENDORS.find(({ id }) => id === 'deepseek')!;
  assert.equal(baseUrlFor(anthropic, 'anthropic-messages'), 'https://api.anthropic.com');
  assert.equal(baseUrlFor(anthropic, 'openai-responses'), null);
  assert.equal(baseUrlFor(deepseek, 'anthropic-messages'), 'https://api.deepseek.com/anthropic');
});

test('addresses that each customer has its own of tell their vendor, look-alikes do not', () => {
  const of = (origin: string) => vendorByOrigin(origin)?.id ?? null;
  assert.equal(of('https://contoso.openai.azure.com'), 'azure');
  assert.equal(of('https://contoso.services.ai.azure.com'), 'azure');
  assert.equal(of('https://europe-west4-aiplatform.googleapis.com'), 'google');
  assert.equal(of('https://aiplatform.googleapis.com'), 'google');
  for (const origin of [
    'https://openai.azure.com.example.org',
    'https://evilopenai.azure.com',
    'http://contoso.openai.azure.com',
    'https://api.openai.com.example.org',
    'https://example.org',
    'nonsense',
  ]) {
    assert.equal(of(origin), null, origin);
  }
});
