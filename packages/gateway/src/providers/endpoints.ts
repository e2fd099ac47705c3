/**
 * Which paths of the vendors' APIs bring an answer that says what it cost, and in which dialect. The pass-through sends
 * every path; only these are read. Known by how a path ends, because every vendor has its own beginning. Pure.
 */
import type { Api } from '../domain/provider.ts';

export interface Endpoint {
  /** The dialect that the answer is in; a provider may serve several. */
  api: Api;
  /** The model where the path names it, else null: then the body does. */
  model: string | null;
  /** Whether the path itself asks for a stream; null: the body does. */
  stream: boolean | null;
}

interface Rule {
  path: RegExp;
  api: Api;
  stream?: boolean;
}

/**
 * Sources: platform.openai.com/docs/api-reference, docs.anthropic.com/en/api, ai.google.dev/api,
 * learn.microsoft.com/azure/ai-services/openai/reference. Reading a stored answer again (`GET /responses/{id}`) brings
 * its usage once more and costs nothing, so only POST counts; counting tokens, batches and files say nothing of cost.
 */
const RULES: readonly Rule[] = [
  { path: /(?:\/deployments\/(?<model>[^/]+))?\/chat\/completions$/, api: 'openai-completions' },
  { path: /(?:\/deployments\/(?<model>[^/]+))?\/completions$/, api: 'openai-completions' },
  { path: /(?:\/deployments\/(?<model>[^/]+))?\/embeddings$/, api: 'openai-completions', stream: false },
  { path: /\/responses(?:\/compact)?$/, api: 'openai-responses' },
  // Putting a message into a thread (OpenAI's assistants) asks no model.
  { path: /(?<!\/threads\/[^/]+)\/messages$/, api: 'anthropic-messages' },
  {
    path: /\/(?:models|tunedModels|endpoints)\/(?<model>[^/:]+):generateContent$/,
    api: 'google-generate',
    stream: false,
  },
  {
    path: /\/(?:models|tunedModels|endpoints)\/(?<model>[^/:]+):streamGenerateContent$/,
    api: 'google-generate',
    stream: true,
  },
  {
    path: /\/(?:models|tunedModels|endpoints)\/(?<model>[^/:]+):(?:embedContent|batchEmbedContents)$/,
    api: 'google-generate',
    stream: false,
  },
  // Anthropic's models at Vertex.
  { path: /\/publishers\/anthropic\/models\/(?<model>[^/:]+):rawPredict$/, api: 'anthropic-messages', stream: false },
  {
    path: /\/publishers\/anthropic\/models\/(?<model>[^/:]+):streamRawPredict$/,
    api: 'anthropic-messages',
    stream: true,
  },
];

/** Null: whatever comes back is passed on uncounted. `path` as sent, with or without a query. */
export function endpointOf(method: string, path: string): Endpoint | null {
  if (method !== 'POST') return null;
  const end = path.indexOf('?');
  const named = withoutLastSlashes(end === -1 ? path : path.slice(0, end));
  for (const { path: pattern, api, stream } of RULES) {
    const match = pattern.exec(named);
    if (match) return { api, model: decoded(match.groups?.model), stream: stream ?? null };
  }
  return null;
}

/** No pattern: a path of nothing but slashes would keep one busy for its length squared. */
function withoutLastSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end--;
  return path.slice(0, end);
}

function decoded(text: string | undefined): string | null {
  if (text === undefined) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
