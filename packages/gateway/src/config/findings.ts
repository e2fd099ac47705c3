/**
 * What reading a configuration found: problems (the start is refused, all of them are listed at once), warnings, and
 * keys that Weighbridge does not use. A message never holds a value that may be secret.
 */

export interface Problem {
  /** Where: a path of the file, a variable or a flag. */
  path: string;
  message: string;
  hint: string | null;
}

export interface Findings {
  problems: Problem[];
  warnings: string[];
  /** Paths of keys that nothing here reads. */
  unusedKeys: string[];
}

export function noFindings(): Findings {
  return { problems: [], warnings: [], unusedKeys: [] };
}

/** Notes a problem once a path: what follows from a first problem at the same place is noise. */
export function report(findings: Findings, path: string, message: string, hint: string | null = null): void {
  if (findings.problems.some((problem) => problem.path === path)) return;
  findings.problems.push({ path, message, hint });
}

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];
  /** The file it is about; null when the problem lies in flags or environment. */
  readonly file: string | null;

  constructor(problems: readonly Problem[], file: string | null) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    const lines = problems.map(({ path, message, hint }) => `  ${path}: ${message}${hint === null ? '' : ` ${hint}`}`);
    super([`the configuration has ${count}${file === null ? '' : ` (${file})`}:`, ...lines].join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
    this.file = file;
  }
}
