/**
 * The content of a config file once shape.ts has been over it: only known keys, each of the right kind, `${NAME}`
 * substituted. Everything may be missing. Types only, and the one typed way to read a setting with its default.
 */
import type { OptionPath, OptionValue } from './options.ts';
import { OPTIONS } from './options.ts';

export type ModelChoice = string | { primary: string; fallbacks: readonly string[] };

export interface CostTree {
  input?: number;
  output?: number;
  cacheRead?: number;
  cacheWrite?: number;
  cacheWrite1h?: number;
}

export interface ModelTree {
  id?: string;
  name?: string;
  contextWindow?: number;
  maxTokens?: number;
  cost?: CostTree;
}

export interface ProviderTree {
  baseUrl?: string;
  api?: string;
  apiKey?: string;
  credential?: string;
  pricedAs?: string;
  headers?: Record<string, string>;
  contextHeaders?: Record<string, string>;
  kind?: string;
  outboundHeaders?: { allow?: readonly string[] };
  request?: { headers?: Record<string, string> };
  timeoutSeconds?: number;
  models?: ModelTree[];
}

export interface AgentTree {
  id?: string;
  name?: string;
  default?: boolean;
  model?: ModelChoice;
  instructions?: string;
}

export interface PluginTree {
  enabled?: boolean;
  config?: Record<string, unknown>;
  intercept?: { timeoutMs?: number; onFailure?: 'failOpen' | 'failClosed' };
}

export interface WebhookTree {
  id?: string;
  url?: string;
  events?: string[];
  filter?: Record<string, string>;
  format?: string;
  secret?: string[];
  token?: string;
  tokenHeader?: string;
  timeoutMs?: number;
  retry?: { firstMs?: number };
  concurrency?: number;
  ordered?: boolean;
  batch?: { max?: number; waitMs?: number };
  allowPrivate?: boolean | string[];
}

export interface FileTree {
  gateway?: {
    usageWebhookUrl?: string;
    host?: string;
    bind?: string;
    customBindHost?: string;
    auth?: { mode?: string; token?: string; password?: string };
  };
  models?: { mode?: string; providers?: Record<string, ProviderTree> };
  webhooks?: WebhookTree[];
  agents?: { defaults?: { model?: ModelChoice }; list?: AgentTree[]; entries?: Record<string, AgentTree> };
  plugins?: { load?: { paths?: string[] }; entries?: Record<string, PluginTree> };
}

/** The value at a path without wildcards: the file's, else the table's default. */
export function setting<Path extends OptionPath>(tree: FileTree | null, path: Path): OptionValue<Path> {
  const value = fileValue(tree, path);
  if (value !== undefined) return value as OptionValue<Path>;
  const option = OPTIONS[path];
  const fallback = tree === null && 'defaultWithoutFile' in option ? option.defaultWithoutFile : option.default;
  return fallback as OptionValue<Path>;
}

/** What the file says at a path without wildcards; undefined where it says nothing. */
export function fileValue(tree: FileTree | null, path: OptionPath): unknown {
  let value: unknown = tree ?? undefined;
  for (const key of path.split('.')) {
    if (value === undefined) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
