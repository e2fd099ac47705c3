/**
 * Source files as the house rules see them: a path, the text, the text without comments, and what it imports. Imports
 * are found by pattern (TypeScript 7 has no API to ask): static, `export from`, type-only, `import('…')` in code and in
 * types, and worker files named with `new URL('…', import.meta.url)`.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  path: string;
  text: string;
}

const ROOT = join(import.meta.dirname, '../..');
const PATTERNS = ['packages/*/src/**/*.{ts,tsx}', 'test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'];

export function sourceFiles(): SourceFile[] {
  return globSync(PATTERNS, { cwd: ROOT })
    .sort()
    .map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** Everything a file imports, as written. */
export function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*(['"])([^'"\n]+)\1/g,
    /(?:^|[;\n])\s*import\s*(['"])([^'"\n]+)\1/g,
    /\bimport\s*\(\s*(['"`])([^'"`\n]+)\1/g,
    /\bnew\s+URL\s*\(\s*(['"`])(\.[^'"`\n]+)\1\s*,\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => Array.from(code.matchAll(pattern), (match) => match[2]!));
}

/** The code with comments blanked; strings and templates stay, line numbers too. */
export function withoutComments(text: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
  return text.replace(tokens, (token) => (token.startsWith('/') ? token.replace(/[^\n]/g, ' ') : token));
}

/** The code with comments blanked, and strings and templates emptied. */
export function withoutStrings(text: string): string {
  const strings = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
  return withoutComments(text).replace(strings, "''");
}
