/** What a configuration is decided from, beside the environment (environment.ts): the command line and the file. */

/** What the command line said; absent is undefined. */
export interface Flags {
  config?: string | undefined;
  stateDir?: string | undefined;
  port?: string | undefined;
  host?: string | undefined;
  bind?: string | undefined;
  token?: string | undefined;
}

export interface ConfigFile {
  path: string;
  content: unknown;
}
