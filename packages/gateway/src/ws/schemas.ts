/**
 * OpenClaw's published schemas, and what is wrong with a value in OpenClaw's words. They are read from the protocol
 * package's JSON file at the first WebSocket and compiled one by one as methods are called: its module would build all 877
 * of them at once. Our own fields are added here, and so are those that newer clients send.
 */
import { readFile } from 'node:fs/promises';
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv';

export interface JsonSchema {
  properties?: Record<string, unknown>;
  [keyword: string]: unknown;
}

/** Null: nothing is wrong. */
export type Check = (value: unknown) => string | null;

export interface CheckOptions {
  /** Fields besides the published ones. */
  extra?: Readonly<Record<string, object>>;
  /** Unknown fields are let pass, on every level. */
  open?: boolean;
  /** All that is wrong is named, not the first of it; only where the value's length is bounded. */
  all?: boolean;
}

const MESSAGE_MAX = 1_000;
let loading: Promise<WireSchemas> | null = null;

export class WireSchemas {
  readonly #definitions: Readonly<Record<string, JsonSchema>>;
  readonly #first: Ajv;
  readonly #all: Ajv;
  readonly #checks = new Map<string, Check>();

  private constructor(definitions: Readonly<Record<string, JsonSchema>>, make: (options: Options) => Ajv) {
    this.#definitions = definitions;
    const options = { strict: false, validateSchema: false, meta: false, logger: false } as const;
    this.#first = make(options);
    this.#all = make({ ...options, allErrors: true });
  }

  static load(): Promise<WireSchemas> {
    loading ??= read().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  }

  static async of(file: URL): Promise<WireSchemas> {
    const [{ Ajv }, text] = await Promise.all([import('ajv'), readFile(file, 'utf8')]);
    const { definitions } = JSON.parse(text) as { definitions: Record<string, JsonSchema> };
    return new WireSchemas(definitions, (options) => new Ajv(options));
  }

  /** The same check for the same `name`: options belong to a name, not to a call. */
  check(name: string, options: CheckOptions = {}): Check {
    const known = this.#checks.get(name);
    if (known !== undefined) return known;
    const schema = this.#schema(name, options);
    const validate = (options.all ? this.#all : this.#first).compile(schema);
    const check: Check = (value) => (validate(value) ? null : told(validate));
    this.#checks.set(name, check);
    return check;
  }

  #schema(name: string, { extra = {}, open = false }: CheckOptions): JsonSchema {
    const published = this.#definitions[name];
    if (published === undefined) throw new Error(`the protocol has no schema ${name}`);
    const schema = structuredClone(published);
    if (open) opened(schema);
    if (Object.keys(extra).length > 0) schema.properties = { ...schema.properties, ...extra };
    return schema;
  }
}

function read(): Promise<WireSchemas> {
  return WireSchemas.of(new URL('../protocol.schema.json', import.meta.resolve('@openclaw/gateway-protocol')));
}

function opened(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const own = schema as JsonSchema;
  if (own.additionalProperties === false) delete own.additionalProperties;
  for (const inner of Object.values(own)) opened(inner);
}

/** As the protocol's own formatter says it: of missing and of unexpected fields the first of each place. */
function told({ errors }: ValidateFunction): string {
  const said = new Set<string>();
  const seen = new Set<string>();
  for (const error of errors ?? []) {
    const place = `${error.keyword} ${error.instancePath}`;
    if (seen.has(place) && (error.keyword === 'required' || error.keyword === 'additionalProperties')) continue;
    seen.add(place);
    said.add(sentence(error));
  }
  const text = [...said].join('; ');
  return text.length > MESSAGE_MAX ? `${text.slice(0, MESSAGE_MAX)}…` : text;
}

function sentence({ keyword, instancePath, params, message = 'validation error' }: ErrorObject): string {
  const at = instancePath === '' ? '' : `at ${shortened(instancePath)}: `;
  if (keyword === 'additionalProperties') {
    return `${at || 'at root: '}unexpected property '${shortened(String(params.additionalProperty))}'`;
  }
  if (keyword === 'required') return `${at}must have required property '${params.missingProperty}'`;
  return `${at}${message.replace('must NOT', 'must not')}`;
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
