/** The estimator's error on texts it was not fitted to, as the table of docs/metering.md. Run to print it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Api } from '../../packages/gateway/src/domain/provider.ts';
import { TextTally } from '../../packages/gateway/src/lib/text-tally.ts';
import { tokensIn } from '../../packages/gateway/src/providers/estimate.ts';
import { HELD_OUT } from './more-texts.ts';

type Family = 'openai' | 'anthropic' | 'google';

const FAMILIES: readonly (readonly [Family, Api])[] = [
  ['openai', 'openai-completions'],
  ['anthropic', 'anthropic-messages'],
  ['google', 'google-generate'],
];

const COUNTS = JSON.parse(readFileSync(join(import.meta.dirname, 'counts.json'), 'utf8')) as Record<
  string,
  Record<Family, number>
>;

/** By text and family: how far the estimate is off, as a share of the count. */
export function errors(): { name: string; of: Record<Family, number> }[] {
  return HELD_OUT.map(({ name, text }) => {
    const tally = new TextTally();
    tally.addText(text);
    const off = (family: Family, api: Api): number => tokensIn(tally, api) / COUNTS[name]![family] - 1;
    const of = Object.fromEntries(FAMILIES.map(([family, api]) => [family, off(family, api)]));
    return { name, of: of as Record<Family, number> };
  });
}

export function errorTable(): string {
  const rows = errors().map(
    ({ name, of }) => `| ${name} | ${FAMILIES.map(([each]) => percent(of[each])).join(' | ')} |`,
  );
  const mean = FAMILIES.map(([family]) => {
    const all = errors().map(({ of }) => Math.abs(of[family]));
    return `${((all.reduce((sum, each) => sum + each, 0) / all.length) * 100).toFixed(1)} %`;
  });
  return [
    '| text | OpenAI (o200k) | Anthropic | Google (Gemma 3) |',
    '| --- | --- | --- | --- |',
    ...rows,
    `| **mean of the amounts** | ${mean.join(' | ')} |`,
  ].join('\n');
}

function percent(share: number): string {
  const whole = Math.round(share * 100);
  return `${whole > 0 ? '+' : ''}${whole} %`;
}

if (import.meta.main) console.log(errorTable());
