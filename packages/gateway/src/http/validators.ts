/**
 * What checks path parameters and query strings against the routes' schemas. Each check is compiled when its route is
 * first asked, and the compiler is loaded with the first of them: all of them together would be a third of the start.
 */
import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';
import type { FastifySchema, FastifySchemaCompiler } from 'fastify';

const OPTIONS = {
  coerceTypes: 'array',
  useDefaults: true,
  // A misspelt filter must be refused, not dropped: dropped, it answers with everybody's sums.
  removeAdditional: false,
  // Strict numbers would skip the limits of a number that is not finite, as `1e999` is.
  strictNumbers: false,
} as const;

export function validatorsOnDemand(): FastifySchemaCompiler<FastifySchema> {
  let ajv: Ajv | null = null;
  return ({ schema }) => {
    let check: ValidateFunction | null = null;
    const validate = (value: unknown): boolean => {
      ajv ??= newAjv();
      check ??= ajv.compile(schema as object);
      const isRight = check(value);
      // Where the framework looks for what was wrong.
      Object.assign(validate, { errors: check.errors });
      return isRight;
    };
    return validate;
  };
}

function newAjv(): Ajv {
  const ajv = createRequire(import.meta.url)('ajv') as typeof import('ajv');
  return new ajv.Ajv(OPTIONS);
}
