/** Gathered bytes are the bytes that came, in few buffers however small their pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatheredBytes } from './gathered-bytes.ts';

const PIECE = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 900, maxLength: 1200 }));

test('what is gathered is what came, in order, asked in between or at the end', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(PIECE, fc.nat(30)), { maxLength: 200 }), (pieces) => {
      const gathered = new GatheredBytes();
      let came = Buffer.alloc(0);
      for (const [piece, dice] of pieces) {
        gathered.push(Buffer.from(piece));
        came = Buffer.concat([came, piece]);
        assert.equal(gathered.length, came.length);
        if (dice === 0) assert.deepEqual(gathered.joined(), came);
        if (dice !== 1) continue;
        assert.deepEqual(gathered.take(), came);
        came = Buffer.alloc(0);
      }
      assert.deepEqual(gathered.take(), came);
      assert.equal(gathered.length, 0);
    }),
  );
});

test('a million single bytes are kept in some dozens of buffers, also with large pieces between', () => {
  const gathered = new GatheredBytes();
  const bytes = Buffer.alloc(1_000_000, 'abc');
  for (let at = 0; at < bytes.length; at++) gathered.push(bytes.subarray(at, at + 1));
  assert.ok(gathered.pieces < 80, `${gathered.pieces}`);
  assert.deepEqual(gathered.take(), bytes);
  for (let turn = 0; turn < 100; turn++) {
    gathered.push(bytes.subarray(0, 2000));
    for (let at = 0; at < 100; at++) gathered.push(bytes.subarray(at, at + 1));
  }
  assert.ok(gathered.pieces <= 220, `${gathered.pieces}`);
});
