/** An endpoint that wants none of a long stretch of the log can be stopped in the midst of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreshMessages } from './fresh.ts';
import { endpointTo, WebhookRoom } from './webhooks.fixture.ts';
import { CursorWindow } from './window.ts';

const PAGE = 200;

test('whoever passes over what nobody wants stops after the page in hand, and stands where it came to', async (t) => {
  const room = await WebhookRoom.open();
  t.after(() => room.close());
  await room.append(5 * PAGE, { agentId: 'other' });
  await room.append(1, { agentId: 'main' });
  const endpoint = endpointTo('http://127.0.0.1:9/', { filter: { agent: 'main' } });
  const window = new CursorWindow(0);
  let pages = 0;
  let pagesMax = 2;
  const fresh = new FreshMessages({
    log: room.log,
    endpoint,
    window,
    now: () => 0,
    isEnding: () => pages >= pagesMax,
    onSkipped: () => {
      pages += 1;
    },
  });
  assert.equal(await fresh.next(), null);
  assert.equal(window.cursor, 2 * PAGE);
  pagesMax = Number.POSITIVE_INFINITY;
  assert.equal((await fresh.next())?.events[0]?.seq, 5 * PAGE + 1);
  assert.equal(pages, 5);
});
