/** A plugin's folder, ours and OpenClaw's, and what is none; lines of a channel, however they are cut. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readFolder } from './folder.ts';
import { LineReader } from './line-reader.ts';

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'wb-folder-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'entry.js'), '');
  return folder;
}

test('main names the entry; an OpenClaw folder names it in its own list, and its manifest the id', (t) => {
  const folder = scratch(t);
  const entry = pathToFileURL(join(folder, 'entry.js')).href;
  writeFileSync(join(folder, 'package.json'), '{"name":"mine","main":"entry.js"}');
  assert.deepEqual(readFolder(folder), { path: folder, entry, name: 'mine', manifestId: null });
  writeFileSync(join(folder, 'package.json'), '{"name":"theirs","openclaw":{"extensions":["./entry.js"]}}');
  writeFileSync(join(folder, 'openclaw.plugin.json'), '{"id":"usage-forwarder","configSchema":{}}');
  assert.deepEqual(readFolder(folder), { path: folder, entry, name: 'usage-forwarder', manifestId: 'usage-forwarder' });
});

test('what is no plugin is said in a sentence', (t) => {
  const folder = scratch(t);
  const said = (manifest: string): unknown => {
    writeFileSync(join(folder, 'package.json'), manifest);
    return readFolder(folder);
  };
  assert.equal(readFolder(join(folder, 'nowhere')), 'there is no such folder');
  assert.equal(readFolder(folder), 'its package.json is not there');
  assert.equal(said('{'), 'its package.json is not a JSON object');
  assert.equal(said('{}'), 'its package.json names no entry in `main`');
  assert.equal(said('{"main":"gone.js"}'), 'its entry gone.js is not there');
  assert.equal(said('{"main":"../entry.js"}'), 'its `main` lies outside of its folder');
  mkdirSync(join(folder, 'inner'));
  assert.equal(said('{"main":"inner"}'), 'its entry inner is not there');
});

test('lines come whole wherever their bytes are cut, and one that is too long is not waited for', () => {
  const text = Buffer.from('{"a":"é"}\n\n{"b":2}\nrest');
  for (let cut = 0; cut <= text.length; cut++) {
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line));
    assert.ok(reader.push(text.subarray(0, cut)) && reader.push(text.subarray(cut)));
    assert.deepEqual(lines, ['{"a":"é"}', '', '{"b":2}']);
  }
  const reader = new LineReader(() => {});
  assert.ok(reader.push(Buffer.alloc(131_072, 'x')));
  assert.equal(reader.push(Buffer.from('x')), false);
});
