/**
 * A chat completion's request in the words of Anthropic and Gemini: what it means arrives, what cannot be said is refused by
 * its name, and nothing is lost in silence.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLAUDE,
  claude,
  type Fields,
  GEMINI,
  gemini,
  HELLO,
  LOOP,
  PDF,
  refused,
  sent,
  TOOLS,
  WEIGH,
} from './requests.fixture.ts';
import { CHAT_TO_ANTHROPIC, CHAT_TO_GOOGLE } from './requests.ts';

test('a whole tool loop is Anthropic’s, its own signed reasoning put back and no other', () => {
  assert.deepEqual(claude({ messages: LOOP, tools: TOOLS, stream: true, max_tokens: 50 }), {
    model: CLAUDE,
    max_tokens: 50,
    system: [
      { type: 'text', text: 'Be exact.' },
      { type: 'text', text: 'Answer in one word.' },
    ],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?', cache_control: { type: 'ephemeral' } },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
          { type: 'redacted_thinking', data: 'xyz' },
          { type: 'tool_use', id: 'c1', name: 'weigh', input: { id: 1 } },
          { type: 'tool_use', id: 'c2', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: '{"kg":12}' }] },
          { type: 'tool_result', tool_use_id: 'c2', content: [{ type: 'text', text: 'nothing' }] },
          { type: 'text', text: 'So?' },
        ],
      },
    ],
    tools: [{ name: 'weigh', description: 'Weighs.', input_schema: WEIGH.parameters }],
    stream: true,
  });
});

test('a whole tool loop is Gemini’s, with its own signature put back', () => {
  assert.deepEqual(gemini({ messages: LOOP, tools: TOOLS, stream: true, max_completion_tokens: 50 }), {
    systemInstruction: { parts: [{ text: 'Be exact.' }, { text: 'Answer in one word.' }] },
    contents: [
      {
        role: 'user',
        parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }],
      },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'weigh', args: { id: 1 } }, thoughtSignature: 'tsig' },
          { functionCall: { name: 'look', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'weigh', response: { kg: 12 } } },
          { functionResponse: { name: 'look', response: { output: 'nothing' } } },
          { text: 'So?' },
        ],
      },
    ],
    tools: [
      {
        functionDeclarations: [{ name: 'weigh', description: 'Weighs.', parametersJsonSchema: WEIGH.parameters }],
      },
    ],
    generationConfig: { maxOutputTokens: 50 },
  });
});

test('settings go over to Anthropic', () => {
  const schema = { type: 'object', properties: {} };
  const cases: readonly [object, expected: object][] = [
    [{}, { max_tokens: 8192 }],
    [
      { temperature: 0.5, top_p: 0.9, stop: 'END' },
      { temperature: 0.5, top_p: 0.9, stop_sequences: ['END'] },
    ],
    [
      { stop: ['a', 'b'], max_tokens: 5, max_completion_tokens: 7 },
      { stop_sequences: ['a', 'b'], max_tokens: 7 },
    ],
    [{ tools: TOOLS, tool_choice: 'required' }, { tool_choice: { type: 'any' } }],
    [{ tools: TOOLS, tool_choice: 'none', parallel_tool_calls: false }, { tool_choice: { type: 'none' } }],
    [{ tools: TOOLS, parallel_tool_calls: false }, { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
    [
      { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'weigh' } } },
      { tool_choice: { type: 'tool', name: 'weigh' } },
    ],
    [{ reasoning_effort: 'medium' }, { thinking: { type: 'enabled', budget_tokens: 8192 }, max_tokens: 16_384 }],
    [
      { reasoning_effort: 'high', max_tokens: 4000 },
      { thinking: { type: 'enabled', budget_tokens: 3200 }, max_tokens: 4000 },
    ],
    [{ reasoning_effort: 'none' }, { max_tokens: 8192, thinking: undefined }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } },
      { output_config: { format: { type: 'json_schema', schema } } },
    ],
  ];
  for (const [given, expected] of cases) {
    const made = claude(given);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(made[key], value, JSON.stringify(given));
  }
  for (const model of ['claude-opus-4-6', 'claude-sonnet-5', 'claude-opus-4-10', 'anthropic/claude-opus-5-1']) {
    const { thinking, output_config, max_tokens } = claude({ reasoning_effort: 'high', max_tokens: 99 }, model);
    assert.deepEqual([thinking, output_config, max_tokens], [{ type: 'adaptive' }, { effort: 'high' }, 99], model);
  }
  for (const model of ['claude-opus-4-5-20251101', 'claude-opus-4-20250514', 'claude-3-7-sonnet-20250219']) {
    assert.equal((claude({ reasoning_effort: 'low' }, model).thinking as Fields).type, 'enabled', model);
  }
});

test('settings go over to Gemini', () => {
  const config = (json: object, model = GEMINI) => gemini(json, model).generationConfig;
  assert.equal(config({}), undefined);
  assert.deepEqual(
    config({ temperature: 2, top_p: 1, stop: 'E', seed: 7, frequency_penalty: 0.5, presence_penalty: 0.25 }),
    { temperature: 2, topP: 1, stopSequences: ['E'], seed: 7, frequencyPenalty: 0.5, presencePenalty: 0.25 },
  );
  assert.deepEqual(config({ response_format: { type: 'json_object' } }), { responseMimeType: 'application/json' });
  assert.deepEqual(config({ response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } } }), {
    responseMimeType: 'application/json',
    responseJsonSchema: { type: 'object' },
  });
  assert.deepEqual(config({ reasoning_effort: 'none' }), {
    thinkingConfig: { thinkingBudget: 0, includeThoughts: false },
  });
  assert.deepEqual(config({ reasoning_effort: 'low' }, 'gemini-3-pro-preview'), {
    thinkingConfig: { thinkingLevel: 'low', includeThoughts: true },
  });
  const choice = (tool_choice: unknown) => gemini({ tools: TOOLS, tool_choice }).toolConfig;
  assert.deepEqual(choice('required'), { functionCallingConfig: { mode: 'ANY' } });
  assert.deepEqual(choice({ type: 'function', function: { name: 'weigh' } }), {
    functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weigh'] },
  });
  const { contents } = gemini({ messages: LOOP.map(({ ...message }) => message) }, 'gemini-3-pro') as {
    contents: Fields[];
  };
  assert.equal((contents[1]!.parts as Fields[])[0]!.thoughtSignature, 'tsig');
  const foreign = LOOP.map(
    (message) =>
      JSON.parse(JSON.stringify(message, (key, value) => (key === 'extra_content' ? undefined : value))) as object,
  );
  const parts = (gemini({ messages: foreign }, 'gemini-3-pro') as { contents: Fields[] }).contents[1]!
    .parts as Fields[];
  assert.deepEqual(
    parts.map(({ thoughtSignature }) => thoughtSignature),
    ['skip_thought_signature_validator', undefined],
  );
});

test('documents and sound go where they are taken', () => {
  const file = { type: 'file', file: { file_data: PDF, filename: 'a.pdf' } };
  const sound = { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'mp3' } };
  const content = (part: object) => ({ messages: [{ role: 'user', content: [part] }] });
  assert.deepEqual((claude(content(file)).messages as Fields[])[0]!.content, [
    { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' } },
  ]);
  assert.deepEqual((gemini(content(file)).contents as Fields[])[0]!.parts, [
    { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0=' } },
  ]);
  assert.deepEqual((gemini(content(sound)).contents as Fields[])[0]!.parts, [
    { inlineData: { mimeType: 'audio/mpeg', data: 'UklGRg==' } },
  ]);
  assert.equal(refused(CHAT_TO_ANTHROPIC, content(sound), CLAUDE), 'messages[0].content[0]');
  const url = { type: 'image_url', image_url: { url: 'https://x.example/a.png' } };
  assert.deepEqual((claude(content(url)).messages as Fields[])[0]!.content, [
    { type: 'image', source: { type: 'url', url: 'https://x.example/a.png' } },
  ]);
  assert.equal(refused(CHAT_TO_GOOGLE, content(url), GEMINI), 'messages[0].content[0].image_url.url');
});

test('what cannot be said is refused by its name', () => {
  const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });
  const assistant = (fields: object) => ({ messages: [{ role: 'assistant', content: 'x', ...fields }] });
  const call = (text: unknown) => assistant({ tool_calls: [{ id: 'a', function: { name: 'n', arguments: text } }] });
  const both: readonly [object, string][] = [
    [{ n: 2 }, 'n'],
    [{ logprobs: true }, 'logprobs'],
    [{ logit_bias: { '1': 2 } }, 'logit_bias'],
    [{ audio: { voice: 'x' } }, 'audio'],
    [{ modalities: ['audio'] }, 'modalities'],
    [{ web_search_options: { x: 1 } }, 'web_search_options'],
    [{ functions: [{}] }, 'functions'],
    [{ never_heard_of: true }, 'never_heard_of'],
    [{ service_tier: 'flex' }, 'service_tier'],
    [{ tools: [{ type: 'custom', custom: {} }] }, 'tools[0].type'],
    [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name'],
    [{ tool_choice: { type: 'allowed_tools' } }, 'tool_choice'],
    [{ reasoning_effort: 'more' }, 'reasoning_effort'],
    [{ stop: [7] }, 'stop'],
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ response_format: { type: 'grammar' } }, 'response_format.type'],
    [user(7), 'messages[0].content'],
    [user([{ type: 'video_url' }]), 'messages[0].content[0].type'],
    [user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }]), 'messages[0].content[0].image_url.url'],
    [user([{ type: 'file', file: { file_id: 'f' } }]), 'messages[0].content[0].file.file_data'],
    [{ messages: [...HELLO, { role: 'function', content: 'x' }] }, 'messages[1].role'],
    [{ messages: [{ role: 'tool', tool_call_id: 'nobody', content: 'x' }] }, 'messages[0].tool_call_id'],
    [assistant({ audio: { id: 'a' } }), 'messages[0].audio'],
    [call('{"a":'), 'messages[0].tool_calls[0].function.arguments'],
    [call('[1]'), 'messages[0].tool_calls[0].function.arguments'],
    [call(`{"a":${'['.repeat(5000)}`), 'messages[0].tool_calls[0].function.arguments'],
  ];
  for (const [json, param] of both) {
    assert.equal(refused(CHAT_TO_ANTHROPIC, json, CLAUDE), param);
    assert.equal(refused(CHAT_TO_GOOGLE, json, GEMINI), param);
  }
  const anthropic: readonly [object, string][] = [
    [{ seed: 1 }, 'seed'],
    [{ temperature: 1.5 }, 'temperature'],
    [{ frequency_penalty: 1 }, 'frequency_penalty'],
    [{ presence_penalty: 1 }, 'presence_penalty'],
    [{ response_format: { type: 'json_object' } }, 'response_format'],
    [{ reasoning_effort: 'low', max_tokens: 100 }, 'max_completion_tokens'],
  ];
  for (const [json, param] of anthropic) assert.equal(refused(CHAT_TO_ANTHROPIC, json, CLAUDE), param);
  assert.equal(refused(CHAT_TO_GOOGLE, { tools: TOOLS, parallel_tool_calls: false }, GEMINI), 'parallel_tool_calls');
  assert.equal(refused(CHAT_TO_GOOGLE, { reasoning_effort: 'none' }, 'gemini-3-pro'), 'reasoning_effort');
});

test('what asks for nothing, or is for OpenAI’s own books, is in nobody’s way', () => {
  const idle = {
    n: 1,
    logprobs: false,
    logit_bias: {},
    frequency_penalty: 0,
    presence_penalty: 0,
    service_tier: 'auto',
    store: true,
    metadata: { a: 'b' },
    user: 'u',
    prompt_cache_key: 'k',
    audio: null,
    modalities: ['text'],
    parallel_tool_calls: true,
    stream_options: { include_usage: true },
    response_format: { type: 'text' },
  };
  assert.deepEqual(claude(idle), claude({}));
  assert.equal(refused(CHAT_TO_GOOGLE, idle, GEMINI), null);
});

test('numbers of schemas and arguments stay as they are spelled', () => {
  const text =
    '{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"n","arguments":"{\\"id\\":9007199254740993}"}}]}],' +
    '"tools":[{"type":"function","function":{"name":"n","parameters":{"maximum":1.0,"minimum":12345678901234567890}}}]}';
  for (const maker of [CHAT_TO_ANTHROPIC, CHAT_TO_GOOGLE]) {
    const made = sent(maker, text, 'm');
    for (const spelled of ['{"id":9007199254740993}', '"maximum":1.0,"minimum":12345678901234567890']) {
      assert.ok(made.includes(spelled), made);
    }
  }
});

test('a model’s name stays inside the path that it stands in', () => {
  assert.equal(CHAT_TO_GOOGLE.pathTo('gemini-3-pro', true), '/models/gemini-3-pro:streamGenerateContent?alt=sse');
  assert.equal(CHAT_TO_GOOGLE.pathTo('tunedModels/a b?x#y', false), '/tunedModels/a%20b%3Fx%23y:generateContent');
  for (const model of ['../../x', 'models/..', 'a//b', './x', '']) {
    if (model === '') continue;
    assert.throws(() => CHAT_TO_GOOGLE.pathTo(model, false), { code: 'invalid_request' }, model);
  }
});
