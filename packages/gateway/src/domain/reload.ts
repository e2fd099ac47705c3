/** What a reload of the configuration came to. How it is done is in config/reload.ts and config/reloads.ts. */

export interface ReloadReport {
  object: 'reload';
  /** The file in use; null for the built-in configuration. */
  file: string | null;
  /** Options, agents and providers that are now others, by path. */
  changed: string[];
  /** Options that changed too, but hold until the next start. */
  needsRestart: string[];
  warnings: readonly string[];
}

/** How the configuration in force stands to the file; for probes, so without any of its content. */
export interface ConfigStanding {
  /** ISO 8601: when what is in force was read. */
  loadedAt: string;
  /** The file was changed to something that is refused: what is in force is older than the file. */
  stale: boolean;
  /** Reloads so far, refused ones included. */
  reloads: number;
}
