/** Properties of translated requests: for any conversation, any calls, any JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withOneHostile } from './hostile.fixture.ts';
import { CLAUDE, claude, type Fields, GEMINI, gemini, LOOP, refused, sent, TOOLS } from './requests.fixture.ts';
import { CHAT_TO_ANTHROPIC, CHAT_TO_GOOGLE } from './requests.ts';

const words = fc.string({ maxLength: 8 });
const someText = fc.string({ minLength: 1, maxLength: 8 });
const message = fc.oneof(
  fc.record({ role: fc.constantFrom('system', 'developer', 'user', 'assistant'), content: someText }),
  fc.record({
    role: fc.constant('user'),
    content: fc.array(fc.record({ type: fc.constant('text'), text: someText }), { minLength: 1, maxLength: 3 }),
  }),
);

test('for any conversation every text arrives, in order, in turns that alternate', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), fc.option(someText), (messages, instructions) => {
      const texts = (system: boolean) =>
        messages
          .filter(({ role }) => (role === 'system' || role === 'developer') === system)
          .flatMap(({ content }) => (typeof content === 'string' ? [content] : content.map(({ text }) => text)));
      const led = [...(instructions === null ? [] : [instructions]), ...texts(true)];
      const body = JSON.stringify({ messages });
      const theirs = JSON.parse(sent(CHAT_TO_ANTHROPIC, body, CLAUDE, instructions)) as {
        system?: { text: string }[];
        messages: { role: string; content: { text: string }[] }[];
      };
      assert.deepEqual(
        (theirs.system ?? []).map(({ text }) => text),
        led,
      );
      assert.deepEqual(
        theirs.messages.flatMap(({ content }) => content.map(({ text }) => text)),
        texts(false),
      );
      const google = JSON.parse(sent(CHAT_TO_GOOGLE, body, GEMINI, instructions)) as {
        systemInstruction?: { parts: { text: string }[] };
        contents: { role: string; parts: { text: string }[] }[];
      };
      assert.deepEqual(
        (google.systemInstruction?.parts ?? []).map(({ text }) => text),
        led,
      );
      assert.deepEqual(
        google.contents.flatMap(({ parts }) => parts.map(({ text }) => text)),
        texts(false),
      );
      for (const turns of [theirs.messages, google.contents]) {
        for (const [index, { role }] of turns.entries()) assert.notEqual(role, turns[index + 1]?.role);
      }
    }),
  );
});

test('any call and its result find each other, and any arguments arrive', () => {
  const calls = fc.uniqueArray(
    fc.record({ id: someText, name: someText, input: fc.dictionary(words, fc.jsonValue()), result: someText }),
    { selector: ({ id }) => id, minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(calls, (made) => {
      const messages = [
        {
          role: 'assistant',
          tool_calls: made.map(({ id, name, input }) => ({ id, function: { name, arguments: JSON.stringify(input) } })),
        },
        ...made.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result })),
      ];
      const theirs = claude({ messages }).messages as { content: Fields[] }[];
      assert.deepEqual(
        theirs[0]!.content.map(({ id, name, input }) => ({ id, name, input })),
        made.map(({ id, name, input }) => ({ id, name, input: JSON.parse(JSON.stringify(input)) as unknown })),
      );
      assert.deepEqual(
        theirs[1]!.content.map(({ tool_use_id }) => tool_use_id),
        made.map(({ id }) => id),
      );
      const [asked, answered] = gemini({ messages }).contents as {
        parts: { functionCall: Fields; functionResponse: Fields }[];
      }[];
      assert.deepEqual(
        asked!.parts.map(({ functionCall }) => functionCall.name),
        made.map(({ name }) => name),
      );
      assert.deepEqual(
        answered!.parts.map(({ functionResponse }) => functionResponse.name),
        made.map(({ name }) => name),
      );
    }),
  );
});

test('any JSON is translated, or refused by the name of a field, and never another way', () => {
  const keys = [
    'role',
    'content',
    'type',
    'text',
    'tool_calls',
    'function',
    'name',
    'arguments',
    'id',
    'image_url',
    'url',
    'tool_call_id',
    'file',
  ];
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>('user', 'assistant', 'tool', 'text', 'function', 'image_url', '{}', null, 7),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 5 }),
    ),
  }));
  const field = fc.constantFrom(
    'tools',
    'tool_choice',
    'stop',
    'response_format',
    'temperature',
    'reasoning_effort',
    'seed',
  );
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 3 }),
      fc.dictionary(field, node, { maxKeys: 2 }),
      (messages, more) => {
        refused(CHAT_TO_ANTHROPIC, { messages, ...more }, CLAUDE);
        refused(CHAT_TO_GOOGLE, { messages, ...more }, GEMINI);
      },
    ),
    { numRuns: 1000 },
  );
});

test('whatever stands in the place of a member, a request is translated or refused by a field’s name', () => {
  const whole = {
    messages: LOOP,
    tools: TOOLS,
    tool_choice: { type: 'function', function: { name: 'weigh' } },
    stop: ['a'],
    modalities: ['text'],
    response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } },
    reasoning_effort: 'low',
    stream_options: { include_usage: true },
  };
  const outcomes = { translated: 0, refused: 0 };
  for (const hostile of withOneHostile(whole)) {
    // The door takes only a list of messages that is not empty.
    if (!/"messages":\[[^\]]/.test(hostile)) continue;
    for (const [maker, model] of [
      [CHAT_TO_ANTHROPIC, CLAUDE],
      [CHAT_TO_GOOGLE, GEMINI],
    ] as const) {
      outcomes[refused(maker, hostile, model) === null ? 'translated' : 'refused']++;
    }
  }
  assert.ok(outcomes.translated > 100 && outcomes.refused > 100, JSON.stringify(outcomes));
});
