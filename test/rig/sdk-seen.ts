/** What a program that uses an official client sees of an answer: all that the client gave, and its error if there was one. */
import type { Address, SdkWay, ShownUsage } from './sdk-clients.ts';

/** Where it came from is no part of it. */
export interface Seen {
  shown: unknown[];
  error: { class: string; status: unknown; type: unknown; message: string } | null;
}

export async function seeing(see: (shown: unknown[]) => Promise<void>): Promise<Seen> {
  const shown: unknown[] = [];
  let error: Seen['error'] = null;
  try {
    await see(shown);
  } catch (thrown) {
    const { status, type, message } = thrown as Error & { status?: unknown; type?: unknown };
    error = { class: (thrown as Error).constructor.name, status, type, message };
  }
  return { shown: shown.map(plain), error };
}

/** Without the answer's head, which names the dispatch. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (key === 'sdkHttpResponse' ? undefined : inner)) ?? 'null');
}

export async function readWhole(way: SdkWay, at: Address): Promise<Seen> {
  return seeing(async (shown) => void shown.push(await way.whole(at)));
}

export async function readStream(way: SdkWay, at: Address): Promise<Seen> {
  return seeing(async (shown) => {
    for await (const event of await way.stream(at)) shown.push(event);
  });
}

export async function readGathered(way: SdkWay, at: Address): Promise<Seen> {
  return seeing(async (shown) => void shown.push(await way.gathered!(at)));
}

/** The last number of each kind: a stream's later events leave out what has not changed. */
export function lastUsage(way: SdkWay, shown: readonly unknown[]): ShownUsage | null {
  let last: ShownUsage | null = null;
  for (const one of shown) {
    const usage = way.usageOf(one);
    if (usage === null) continue;
    last ??= usage;
    for (const name of Object.keys(usage) as (keyof ShownUsage)[]) last[name] = usage[name] || last[name];
  }
  return last;
}
