/**
 * The built page as files in memory: read once, when somebody first asks, and compressed then. Only names that were built
 * are served, so a path is looked up and never put together. Where nothing was built there is null, and page.ts says so.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export interface PageFile {
  type: string;
  bytes: Buffer;
  gzip: Buffer;
}

export interface PageFiles {
  /** What somebody sees who is signed in: before the page's facts, and after them. */
  page: readonly [string, string];
  /** What somebody sees who is not. */
  signIn: string;
  /** By name, without folder. Names hold a hash of what is inside. */
  assets: ReadonlyMap<string, PageFile>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Where the build puts them; resolved by name, as any package is. */
export function builtPageFolder(): string {
  return fileURLToPath(new URL('.', import.meta.resolve('@weighbridge/dashboard/dist/index.html')));
}

/** Null where nothing was built yet; that is looked at again each time. */
export function readPage(folder: string): PageFiles | null {
  const assetsFolder = join(folder, 'assets');
  const pages = [join(folder, 'index.html'), join(folder, 'sign-in.html')] as const;
  if (![...pages, assetsFolder].every((path) => existsSync(path))) return null;
  const assets = new Map<string, PageFile>();
  for (const name of readdirSync(assetsFolder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = readFileSync(join(assetsFolder, name));
    assets.set(name, { type, bytes, gzip: gzipSync(bytes, { level: 9 }) });
  }
  const [before = '', after = ''] = readFileSync(pages[0], 'utf8').split('{{facts}}');
  return { page: [before, after], signIn: readFileSync(pages[1], 'utf8'), assets };
}
