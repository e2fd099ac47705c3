/**
 * `${NAME}` in a text of the config file becomes the environment's NAME; `$${NAME}` stays `${NAME}`. OpenClaw's rules:
 * names are upper case, a missing or empty variable is an error. Only keys that we read are substituted, so a variable
 * of somebody else's section may be missing.
 */
import type { Variables } from './environment.ts';
import type { Findings } from './findings.ts';
import { report } from './findings.ts';

const REFERENCE = /(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g;

/** The text with its variables; null when one is missing (noted in the findings). */
export function substitute(text: string, variables: Variables, path: string, findings: Findings): string | null {
  let missing = false;
  const result = text.replace(REFERENCE, (whole, dollar: string, name: string) => {
    if (dollar !== '') return whole.slice(1);
    const value = variables[name];
    if (value !== undefined && value !== '') return value;
    missing = true;
    report(
      findings,
      path,
      `needs the environment variable ${name}, which is not set.`,
      `Set ${name}, or write $\${${name}} for the text itself.`,
    );
    return '';
  });
  return missing ? null : result;
}
