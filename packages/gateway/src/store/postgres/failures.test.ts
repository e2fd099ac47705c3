/** Which failures of PostgreSQL a write waits for, and which it is told of at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayPass } from './failures.ts';

test('what the connection or the server is going through may pass', () => {
  for (const code of ['EPIPE', 'ECONNRESET', 'ETIMEDOUT', '08006', '40001', '53100', '57P01', '58030', '25P03']) {
    assert.equal(mayPass(Object.assign(new Error(code), { code })), true, code);
  }
  assert.equal(mayPass(new Error('Connection terminated unexpectedly')), true);
});

test('a value that the server refuses is refused for good', () => {
  for (const code of ['22003', '23514', '42P01', 'P0001', 'XX000']) {
    assert.equal(mayPass(Object.assign(new Error(code), { code })), false, code);
  }
});
