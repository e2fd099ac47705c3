/** The error that docs/metering.md publishes is the estimator's. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errors, errorTable } from '../scripts/estimate/table.ts';

test('the published error of the estimator is the one it has', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/metering.md'), 'utf8');
  assert.ok(page.includes(errorTable()), `docs/metering.md should say\n${errorTable()}`);
});

test('no text of the table is estimated with more than a quarter off, and on average it is an eighth', () => {
  for (const family of ['openai', 'anthropic', 'google'] as const) {
    const off = errors().map(({ of }) => Math.abs(of[family]));
    assert.ok(Math.max(...off) <= 0.26, `${family}: ${Math.max(...off)}`);
    assert.ok(off.reduce((sum, each) => sum + each, 0) / off.length < 0.125, family);
  }
});
