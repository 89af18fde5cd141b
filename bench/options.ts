// The command line of the benchmark.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type SeriesName, seriesNames } from './report/results.ts';
import { type Size, sizes } from './site/material.ts';
import type { WarmUp } from './site/warm.ts';

export interface Options {
  readonly series: readonly SeriesName[];
  readonly sizes: readonly Size[];
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly warmUp: WarmUp;
  /** Whether docs/performance.md and its plot are written too. */
  readonly write: boolean;
  readonly output: string;
}

export const usage = `npm run bench -- [options]
  --quick              a few cells, short ones: whether it works, not how fast it is
  --series a,b         of ${seriesNames.join(', ')}; default: all
  --size 10KB,1MB      sizes of the matrix; default: 1KB,10KB,100KB,1MB,25MB
  --connections 1,32   its concurrencies; default: 1,8,32,256
  --seconds 1          of each single measurement
  --rounds 3           how often each is repeated, in turn with the others
  --output FILE        where the results go as JSON; default: bench/results/latest.json, or quick.json;
                       tables and plot stand beside it as .md and .svg
  --write              put tables and plot into docs/performance.md
Series that are not run keep what the file and the document have of them.`;

/** @throws {TypeError} for what is not an option or not possible */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      series: { type: 'string' },
      size: { type: 'string' },
      connections: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      output: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  return {
    series: list(values.series, seriesNames, quick ? ['goals', 'matrix', 'dns'] : seriesNames),
    sizes: list(
      values.size,
      Object.keys(sizes) as Size[],
      quick ? ['10KB'] : ['1KB', '10KB', '100KB', '1MB', '25MB'],
    ),
    connections: values.connections?.split(',').map(positive) ?? (quick ? [1, 32] : [1, 8, 32, 256]),
    seconds: positive(values.seconds ?? (quick ? '0.5' : '1')),
    rounds: positive(values.rounds ?? (quick ? '1' : '3')),
    warmUp: quick ? 'short' : 'settled',
    write: values.write,
    output:
      values.output ?? fileURLToPath(new URL(`results/${quick ? 'quick' : 'latest'}.json`, import.meta.url)),
  };
}

function list<Word extends string>(
  given: string | undefined,
  known: readonly Word[],
  otherwise: readonly Word[],
): readonly Word[] {
  if (given === undefined) return otherwise;
  return given.split(',').map((word) => {
    const found = known.find((each) => each === word);
    if (found === undefined) throw new TypeError(`${word} is none of ${known.join(', ')}`);
    return found;
  });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new TypeError(`${text} is not a number above zero`);
  return value;
}
