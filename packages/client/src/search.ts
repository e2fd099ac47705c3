/** The parameters of a question, as they stand behind its path. */

type Parameter = string | number | boolean | readonly string[] | undefined;

/** A list is the same parameter several times. */
export function search(query: Readonly<Record<string, Parameter>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    return typeof value === 'object' ? value.map((one) => [name, one]) : [[name, String(value)]];
  });
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}
