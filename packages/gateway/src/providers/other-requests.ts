/**
 * The request sides of the doors that hand a call on in its own dialect: responses, messages and the count of their
 * tokens, embeddings. Each is the caller's bytes with the provider's name of the model, and an agent's instructions
 * where the dialect has them. Chat completions are openai-request.ts.
 */
import type { ObjectScan } from '../lib/json-splice.ts';
import type { EncodePlan, RequestMaker } from './dialect.ts';
import { RequestEdits } from './request-edits.ts';

export const RESPONSES: RequestMaker = {
  pathTo: () => '/responses',
  callersHeaders: ['openai-beta'],
  leadingMessage: (instructions) => Buffer.from(JSON.stringify(instructions)),
  encode(body, scan, { model, leading }) {
    const edits = new RequestEdits(body, scan);
    edits.setModel(model);
    if (leading !== null) edits.leadText('instructions', leading);
    return edits.applied();
  },
  refusesUsageQuestion: null,
};

export const MESSAGES: RequestMaker = {
  pathTo: () => '/v1/messages',
  // They say which fields there are.
  callersHeaders: ['anthropic-version', 'anthropic-beta'],
  leadingMessage: (instructions) => Buffer.from(JSON.stringify(instructions)),
  encode: encodeMessages,
  refusesUsageQuestion: null,
};

export const COUNT_TOKENS: RequestMaker = { ...MESSAGES, pathTo: () => '/v1/messages/count_tokens' };

export const EMBEDDINGS: RequestMaker = {
  pathTo: () => '/embeddings',
  callersHeaders: [],
  leadingMessage: () => Buffer.alloc(0),
  encode(body, scan, { model }) {
    const edits = new RequestEdits(body, scan);
    edits.setModel(model);
    return edits.applied();
  },
  refusesUsageQuestion: null,
};

/** `system` is a text, or a list of blocks. */
function encodeMessages(body: Buffer, scan: ObjectScan, { model, leading }: EncodePlan): Buffer {
  const edits = new RequestEdits(body, scan);
  edits.setModel(model);
  if (leading !== null && !edits.leadText('system', leading)) {
    edits.leadArray('system', Buffer.from(`{"type":"text","text":${leading.toString('utf8')}}`));
  }
  return edits.applied();
}
