/**
 * Checks the shape of a config file against the table of options: unknown keys, wrong kinds, values out of range.
 * What it returns holds only what is right, so later checks can go on and all problems are listed at once. What values
 * mean together is decided elsewhere.
 */

import { isObject } from '../lib/json-object.ts';
import type { Variables } from './environment.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';
import { nearest } from './nearest.ts';
import type { Option } from './options.ts';
import { OPTIONS, OWN_SECTIONS } from './options.ts';
import { substitute } from './substitute.ts';
import type { FileTree, ModelChoice } from './tree.ts';

interface Node {
  keys: Map<string, Node>;
  /** `*`: the same shape under any key. */
  any: Node | null;
  /** `[]`: the same shape for every element. */
  items: Node | null;
  option: Option | null;
}

interface Walk {
  findings: Findings;
  variables: Variables;
  /** Inside one of our own sections. */
  own: boolean;
}

/** Deepest nesting of an object that is not ours to know. */
const OBJECT_DEPTH_MAX = 32;

type Plain = Record<string, unknown>;

const ROOT = knownTree();

/** The file's content with only what is known and right. */
export function checkShape(content: unknown, variables: Variables, findings: Findings): FileTree {
  if (!isObject(content)) {
    report(findings, '(top level)', `must be an object, not ${kindOf(content)}.`);
    return {};
  }
  const { $schema: _editorsOnly, ...sections } = content;
  return checkObject(sections, ROOT, '', { findings, variables, own: false }) as FileTree;
}

/** The same content without what nobody here reads; nothing is checked or substituted. `dropped` lists the rest. */
export function keepKnown(content: unknown): { kept: Plain; dropped: string[] } {
  const dropped: string[] = [];
  const keep = (value: unknown, node: Node, path: string): unknown => {
    if (node.option !== null) return value;
    if (Array.isArray(value))
      return node.items === null ? value : value.map((element) => keep(element, node.items!, `${path}[]`));
    if (!isObject(value)) return value;
    const entries = Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
      const childPath = path === '' ? key : `${path}.${key}`;
      const known = node.keys.get(key) ?? node.any;
      if (known !== null) return [[key, keep(child, known, childPath)]];
      dropped.push(childPath);
      return [];
    });
    return Object.fromEntries(entries);
  };
  return { kept: isObject(content) ? (keep(content, ROOT, '') as Plain) : {}, dropped: [...new Set(dropped)] };
}

function checkNode(value: unknown, node: Node, path: string, walk: Walk): unknown {
  if (node.option !== null) return checkLeaf(value, node.option, path, walk);
  if (node.items !== null) {
    const items = node.items;
    if (!Array.isArray(value)) return wrong(walk, path, 'a list', value);
    // A bad element keeps its place, or the paths of later problems would be off by one.
    return value.map((element, index) => checkNode(element, items, `${path}[${index}]`, walk) ?? {});
  }
  if (!isObject(value)) return wrong(walk, path, 'an object', value);
  return checkObject(value, node, path, walk);
}

function checkObject(value: Plain, node: Node, path: string, walk: Walk): Plain {
  const entries: [string, unknown][] = [];
  for (const [key, child] of Object.entries(value)) {
    const childPath = path === '' ? key : `${path}.${key}`;
    const known = node.keys.get(key) ?? node.any;
    if (known === null) {
      noteUnknown(key, childPath, node, walk);
      continue;
    }
    const own = walk.own || (path === '' && OWN_SECTIONS.has(key));
    const checked = checkNode(child, known, childPath, { ...walk, own });
    if (checked !== undefined) entries.push([key, checked]);
  }
  return Object.fromEntries(entries);
}

/** Sections of OpenClaw's that one might take for a slip in one of ours. */
const OPENCLAW_NEAR_OURS: ReadonlySet<string> = new Set(['session']);

function noteUnknown(key: string, path: string, node: Node, walk: Walk): void {
  const meant = nearest(key, node.keys.keys());
  const hint = meant === null ? null : `Did you mean \`${meant}\`?`;
  if (key === '$include') {
    report(walk.findings, path, 'is not supported.', 'Put the included content into this file.');
    return;
  }
  if (walk.own) {
    report(walk.findings, path, 'is not a known key.', hint ?? `Known here: ${[...node.keys.keys()].join(', ')}.`);
    return;
  }
  // OpenClaw's other sections do not lie this near to one that we read: it is a slip, and its content would be lost.
  if (node === ROOT && hint !== null && !OPENCLAW_NEAR_OURS.has(key)) {
    report(walk.findings, path, 'is not a known section.', hint);
    return;
  }
  walk.findings.unusedKeys.push(meant === null ? path : `${path} (did you mean \`${meant}\`?)`);
}

function checkLeaf(raw: unknown, option: Option, path: string, walk: Walk): unknown {
  const value = typeof raw === 'string' ? substitute(raw, walk.variables, path, walk.findings) : raw;
  if (value === null && typeof raw === 'string') return undefined;
  switch (option.kind) {
    case 'integer':
      if (Number.isSafeInteger(value) && inRange(value as number, option)) return value;
      return wrong(walk, path, `a whole number from ${option.min} to ${option.max}`, value);
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong(walk, path, 'true or false', value);
    case 'choice':
      if (typeof value === 'string' && (option.of as readonly string[]).includes(value)) return value;
      return wrongChoice(walk, path, option.of, value);
    case 'rate':
      return typeof value === 'number' ? value : wrong(walk, path, 'a number (USD per 1M tokens)', value);
    case 'text':
      if (typeof value === 'string' && value.trim() !== '') return value;
      return wrong(walk, path, 'a text that is not empty', value);
    case 'secret':
      return checkSecret(value, path, walk);
    case 'names':
      return checkNames(value, path, walk);
    case 'texts':
      return checkTexts(value, path, walk);
    case 'secrets':
      return checkSecrets(value, path, walk);
    case 'blocks':
      return typeof value === 'boolean' ? value : checkNames(value, path, walk);
    case 'model':
      return checkModel(value, path, walk);
    case 'object':
      if (isObject(value)) return substituted(value, path, walk, 0);
      return wrong(walk, path, 'an object', value);
  }
}

function inRange(value: number, option: { min: number; max: number }): boolean {
  return value >= option.min && value <= option.max;
}

function checkSecret(value: unknown, path: string, walk: Walk): string | undefined {
  // OpenClaw's reference to an environment variable.
  if (isObject(value) && value.source === 'env' && typeof value.id === 'string') {
    return substitute(`\${${value.id}}`, walk.variables, path, walk.findings) ?? undefined;
  }
  const hint = `Write it as text, or "\${NAME}" to take it from the environment.`;
  if (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value.trim())) return value.trim();
  // Never the value: whatever stands here was meant to be secret.
  report(walk.findings, path, 'must be a text of visible ASCII characters, so that it can travel in a header.', hint);
  return undefined;
}

/** One or a list; always a list from here on. */
function checkSecrets(value: unknown, path: string, walk: Walk): string[] {
  if (!Array.isArray(value)) return [checkSecret(value, path, walk)].filter((text) => text !== undefined);
  return value.flatMap((raw, index) => {
    const place = `${path}[${index}]`;
    const text = typeof raw === 'string' ? substitute(raw, walk.variables, place, walk.findings) : raw;
    return text === null ? [] : (checkSecret(text, place, walk) ?? []);
  });
}

function checkTexts(value: unknown, path: string, walk: Walk): Record<string, string> | undefined {
  if (!isObject(value)) return wrong(walk, path, 'an object of names and texts', value);
  const entries: [string, string][] = [];
  for (const [name, raw] of Object.entries(value)) {
    const place = `${path}.${name}`;
    const text = typeof raw === 'string' ? substitute(raw, walk.variables, place, walk.findings) : null;
    if (text !== null) entries.push([name, text]);
    else report(walk.findings, place, `must be a text, not ${kindOf(raw)}.`);
  }
  return Object.fromEntries(entries);
}

function checkNames(value: unknown, path: string, walk: Walk): string[] | undefined {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  return wrong(walk, path, 'a list of texts', value);
}

function checkModel(value: unknown, path: string, walk: Walk): ModelChoice | undefined {
  if (typeof value === 'string' && value !== '') return value;
  if (!isObject(value)) return wrong(walk, path, '"provider/model" or {primary, fallbacks}', value);
  const { primary, fallbacks = [], ...rest } = value;
  for (const key of Object.keys(rest)) walk.findings.unusedKeys.push(`${path}.${key}`);
  if (typeof primary !== 'string' || primary === '') return wrong(walk, `${path}.primary`, '"provider/model"', primary);
  if (!Array.isArray(fallbacks) || !fallbacks.every((ref) => typeof ref === 'string')) {
    return wrong(walk, `${path}.fallbacks`, 'a list of "provider/model"', fallbacks);
  }
  return { primary, fallbacks };
}

/** What nobody here knows the shape of: every text in it may name variables. */
function substituted(value: unknown, path: string, walk: Walk, depth: number): unknown {
  if (typeof value === 'string') return substitute(value, walk.variables, path, walk.findings) ?? '';
  if (typeof value !== 'object' || value === null) return value;
  if (depth === OBJECT_DEPTH_MAX) return wrong(walk, path, `nested at most ${OBJECT_DEPTH_MAX} deep`, value);
  if (Array.isArray(value)) {
    return value.map((element, index) => substituted(element, `${path}[${index}]`, walk, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, substituted(child, `${path}.${key}`, walk, depth + 1)]),
  );
}

function wrong(walk: Walk, path: string, wanted: string, value: unknown): undefined {
  report(walk.findings, path, `must be ${wanted}, not ${kindOf(value)}.`);
  return undefined;
}

function wrongChoice(walk: Walk, path: string, of: readonly string[], value: unknown): undefined {
  const meant = typeof value === 'string' ? nearest(value, of) : null;
  const words = of.map((word) => `"${word}"`).join(', ');
  report(walk.findings, path, `must be one of ${words}, not ${kindOf(value)}.`, meant && `Did you mean "${meant}"?`);
  return undefined;
}

/** The value's kind; numbers and booleans are shown, a text is not: it may be a secret in the wrong place. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? (value.trim() === '' ? 'an empty text' : 'this text') : 'an object';
}

function knownTree(): Node {
  const root = newNode();
  for (const [path, option] of Object.entries(OPTIONS)) {
    let node = root;
    for (const segment of path.split('.')) {
      const name = segment.replace('[]', '');
      node = name === '*' ? anyChild(node) : child(node, name);
      if (segment.endsWith('[]')) node = elements(node);
    }
    node.option = option;
  }
  return root;
}

function child(node: Node, name: string): Node {
  const known = node.keys.get(name) ?? newNode();
  node.keys.set(name, known);
  return known;
}

function anyChild(node: Node): Node {
  node.any ??= newNode();
  return node.any;
}

function elements(node: Node): Node {
  node.items ??= newNode();
  return node.items;
}

function newNode(): Node {
  return { keys: new Map(), any: null, items: null, option: null };
}
