/**
 * Reads the environment and nothing else: no defaults, no decisions. An empty variable counts as absent, because that
 * is what `FOO= command` and most unit files mean by it.
 */
import { Secret } from '../lib/secret.ts';
import { VENDORS } from './vendors.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

/** A value and the variable it came from, so that messages can name it. */
export interface FromVariable<Value> {
  value: Value;
  variable: string;
}

export interface VendorVariables {
  key: FromVariable<Secret> | null;
  baseUrl: FromVariable<string> | null;
}

export interface Environment {
  variables: Variables;
  configFile: string | null;
  stateDir: string | null;
  port: FromVariable<string> | null;
  token: FromVariable<Secret> | null;
  password: FromVariable<Secret> | null;
  databaseUrl: FromVariable<Secret> | null;
  vendors: ReadonlyMap<string, VendorVariables>;
}

export function readEnvironment(variables: Variables): Environment {
  return {
    variables,
    configFile: first(variables, ['WEIGHBRIDGE_CONFIG'])?.value ?? null,
    stateDir: first(variables, ['WEIGHBRIDGE_STATE_DIR'])?.value ?? null,
    port: first(variables, ['WEIGHBRIDGE_PORT']),
    token: firstSecret(variables, ['WEIGHBRIDGE_TOKEN', 'OPENCLAW_GATEWAY_TOKEN']),
    password: firstSecret(variables, ['WEIGHBRIDGE_PASSWORD', 'OPENCLAW_GATEWAY_PASSWORD']),
    databaseUrl: firstSecret(variables, ['WEIGHBRIDGE_DATABASE_URL']),
    vendors: new Map(
      VENDORS.map((vendor) => [
        vendor.id,
        { key: firstSecret(variables, vendor.keyVariables), baseUrl: first(variables, vendor.baseUrlVariables) },
      ]),
    ),
  };
}

function first(variables: Variables, names: readonly string[]): FromVariable<string> | null {
  for (const variable of names) {
    const value = variables[variable]?.trim();
    if (value !== undefined && value !== '') return { value, variable };
  }
  return null;
}

function firstSecret(variables: Variables, names: readonly string[]): FromVariable<Secret> | null {
  const found = first(variables, names);
  return found === null ? null : { value: new Secret(found.value), variable: found.variable };
}
