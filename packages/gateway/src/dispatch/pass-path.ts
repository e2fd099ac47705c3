/** Where a passed request goes below a provider's base URL. The origin is the provider's whatever the path says. Pure. */

/**
 * What is appended to the base URL's path: of `/v1/chat/completions` below `/v1` only `/chat/completions`, because SDKs bring
 * their own version where the base URL ends with it already. Escapes stay as they are.
 */
export function pathBelow(basePath: string, path: string): string {
  const base = basePath.replace(/\/+$/, '');
  const version = base.slice(base.lastIndexOf('/'));
  const isDoubled = version.length > 1 && (path === version || path.startsWith(`${version}/`));
  return isDoubled ? path.slice(version.length) : path;
}

/** `.` and `..`, escaped or not: the provider would read them as another path than the one below its base URL. */
export function hasDotSegment(path: string): boolean {
  const end = path.search(/[?#]/);
  const segments = (end === -1 ? path : path.slice(0, end)).split(/[/\\]|%2f|%5c/i);
  return segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}
