/** The rig is what promises are judged by, so it is judged first: parser, provider, journal, and the comparison. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { endProcess } from '../../scripts/end-process.ts';
import { AnswerParser } from './answer-parser.ts';
import { Caller } from './caller.ts';
import { differences } from './compare.ts';
import { scratchDirectory } from './gateway-process.ts';
import { type JournalRequest, readJournal } from './journal.ts';
import type { StoredEntry } from './ledger-reader.ts';
import { parseScript } from './script.ts';
import { startScriptedProvider, tokensOf } from './scripted-provider.ts';

test('the answer parser reads every framing, cut at every byte', () => {
  const bytes = Buffer.from(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nb\r\n0123456789a\r\n0\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n',
  );
  for (let cut = 0; cut <= bytes.length; cut++) {
    const seen: string[] = [];
    let body = '';
    const parser = new AnswerParser({
      head: (status) => seen.push(String(status)),
      body: (part) => {
        body += part.toString();
      },
      end: () => seen.push(`end ${body}`),
    });
    parser.push(bytes.subarray(0, cut));
    parser.push(bytes.subarray(cut));
    assert.deepEqual(seen, [
      '200',
      'end hello',
      '200',
      'end helloabc0123456789a',
      '204',
      'end helloabc0123456789a',
      '500',
      'end helloabc0123456789a',
    ]);
    assert.equal(parser.close(), true);
  }
});

test('the scripted provider answers as its words say and writes each request down before it answers', async (t) => {
  const journalFile = join(scratchDirectory(t), 'journal');
  const provider = await startScriptedProvider(journalFile);
  t.after(() => provider.close());
  const url = new URL(provider.baseUrl).origin;
  const ask = async (model: string, body: object) => {
    const caller = new Caller(url, null);
    const exchange = caller.chat({ model, body: { ...body }, headers: { 'x-client-request-id': `dsp_${model}` } });
    await exchange.over;
    caller.close();
    return exchange;
  };

  const plain = await ask('ok-3', {});
  assert.equal(plain.json<{ usage: { prompt_tokens: number } }>().usage.prompt_tokens, 10_001);
  const stream = await ask('ok-5', { stream: true, stream_options: { include_usage: true } });
  assert.equal(stream.text.match(/"content"/g)?.length, 5);
  assert.match(stream.text, /"choices":\[\],"usage":\{"prompt_tokens":10002/);
  assert.equal(stream.sawEnd, true);
  const unasked = await ask('ok-2', { stream: true });
  assert.doesNotMatch(unasked.text, /usage/);
  const split = await ask('ok-2+split-bytes', { stream: true });
  assert.equal(split.sawEnd, true);
  const limited = await ask('status-429+retry-after-1', {});
  assert.equal(limited.status, 429);
  assert.equal(limited.header('retry-after'), '1');
  for (const [model, stream] of [
    ['reset', false],
    ['reset-mid', true],
    ['truncate', true],
    ['truncate', false],
  ] as const) {
    const broken = await ask(model, { stream });
    assert.equal(broken.end, 'cut', model);
    assert.equal(broken.sawEnd, false, model);
  }
  assert.equal((await ask('refuse-stream-options', { stream: true, stream_options: {} })).status, 400);

  const { requests, ends } = readJournal(journalFile);
  assert.equal(requests.length, 10);
  assert.deepEqual(requests[1]?.tokens, tokensOf(2));
  assert.equal(requests[2]?.tokens, null);
  assert.equal(requests[0]?.dispatchId, 'dsp_ok-3');
  assert.equal(ends.length, 10);
});

test('a word that is not in the language is refused, not taken for an ok', () => {
  assert.throws(() => parseScript('okay'), /does not know the word/);
});

test('a process that is too busy to hear that it must end is ended', { timeout: 10_000 }, async (t) => {
  const child = spawn(process.execPath, [
    '--eval',
    `process.on('SIGTERM', () => {}); require('node:fs').writeSync(1, 'busy'); for (;;);`,
  ]);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  endProcess(child, 100);
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL');
});

test('the comparison finds each way in which ledger, journal and callers can differ', () => {
  const request: JournalRequest = {
    kind: 'request',
    n: 1,
    dispatchId: 'dsp_1',
    model: 'ok',
    stream: true,
    asksUsage: true,
    tokens: tokensOf(1),
    headers: {},
  };
  const entry: StoredEntry = {
    entryId: 'ent_1',
    dispatchId: 'dsp_1',
    kind: 'usage',
    reason: null,
    instanceId: 'ins_1',
    outcome: 'completed',
    usageSource: 'reported',
    errorKind: null,
    httpStatus: 200,
    model: 'ok',
    attempt: 1,
    seq: 1,
    settledAt: 1,
    ...tokensOf(1),
    costNanoUsd: null,
  };
  const saw = { dispatchId: 'dsp_1', sawEnd: true };
  assert.deepEqual(differences([request], [entry], [saw]), []);
  assert.deepEqual(differences([request], [{ ...entry, outcome: 'uncertain', usageSource: 'none' }], []), []);

  const unknown = { ...entry, outcome: 'uncertain', usageSource: 'none', input: null, output: null };
  const late = { ...entry, entryId: 'cor_1', kind: 'correction', reason: 'settled_late', outcome: 'uncertain' };
  assert.deepEqual(differences([request], [unknown, late], [saw]), []);

  const wrongs: [string, JournalRequest[], StoredEntry[]][] = [
    ['no entry', [request], []],
    ['two entries', [request], [entry, { ...entry, entryId: 'ent_2' }]],
    ['an open entry', [request], [{ ...entry, outcome: null, usageSource: null }]],
    [
      'an uncertain entry of an answer that was seen',
      [request],
      [{ ...entry, outcome: 'uncertain', usageSource: 'none' }],
    ],
    ['a late settlement with a wrong number', [request], [unknown, { ...late, output: 7 }]],
    ['two late settlements', [request], [unknown, late, { ...late, entryId: 'cor_2' }]],
    ['a correction that is no late settlement', [request], [unknown, { ...late, reason: 'repriced' }]],
    ['a wrong number', [request], [{ ...entry, output: 7 }]],
    ['usage from nowhere', [], [entry]],
    ['usage that nobody reported', [{ ...request, tokens: null }], [entry]],
  ];
  for (const [what, requests, entries] of wrongs) {
    assert.notDeepEqual(differences(requests, entries, [saw]), [], what);
  }
});
