// The command line of the soak.
import { parseArgs } from 'node:util';

export interface Options {
  readonly minutes: number;
  /** Of what was measured as capacity. */
  readonly share: number;
  /** How long capacity is measured. */
  readonly capacitySeconds: number;
  /** Between two samples. */
  readonly everySeconds: number;
  readonly seed: string;
  /** Whether docs/performance.md and its plot are written too. */
  readonly write: boolean;
  readonly output: string;
}

export const usage = `npm run soak -- [options]
  --minutes 60         how long
  --share 0.7          of the capacity that is measured first
  --capacity 60        seconds of that measurement
  --every 10           seconds between two samples
  --seed 1             of what is left to chance
  --output FILE        where the results go as JSON; default: bench/results/soak.json
  --write              put findings and plot into docs/performance.md

Exit status: 0 it held, 1 it did not, 2 it did as far as is known: too short, or too much noise, to tell whether something grows`;

/** @throws {TypeError} for what is not an option or not possible */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      share: { type: 'string', default: '0.7' },
      capacity: { type: 'string', default: '60' },
      every: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      output: { type: 'string', default: new URL('../results/soak.json', import.meta.url).pathname },
      write: { type: 'boolean', default: false },
    },
  });
  return {
    minutes: positive(values.minutes),
    share: positive(values.share),
    capacitySeconds: positive(values.capacity),
    everySeconds: positive(values.every),
    seed: values.seed,
    write: values.write,
    output: values.output,
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new TypeError(`${text} is not a number above zero`);
  return value;
}
