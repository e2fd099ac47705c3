/** Where a request goes below a provider's base URL. The origin is the provider's whatever the path says. Pure. */

/** `/v1`, `/v1beta`, `/v1beta1`, `/v4`. */
const VERSION = /^\/v\d+[a-z\d]*(?=[/?]|$)/;
const VERSION_LAST = /\/v\d+[a-z\d]*$/;

/**
 * A path below a base URL's path. SDKs bring a version of their own where the base URL ends with one already: one of them is
 * enough, and the caller's counts, because the vendors' SDKs do not agree with each other (Google's asks for `/v1` and for
 * `/v1beta`). Escapes stay as they are.
 */
export function joinedPath(basePath: string, path: string): string {
  return (VERSION.test(path) ? basePath.replace(VERSION_LAST, '') : basePath) + path;
}

/** `.` and `..`, escaped or not: the provider would read them as another path than the one below its base URL. */
export function hasDotSegment(path: string): boolean {
  const end = path.search(/[?#]/);
  const segments = (end === -1 ? path : path.slice(0, end)).split(/[/\\]|%2f|%5c/i);
  return segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}
