// How a series measures: for how long, how often, and what runs before it counts.
import type { Times } from '../site/site.ts';
import type { WarmUp } from '../site/warm.ts';

export interface Measuring {
  /** Of each measurement. */
  readonly seconds: number;
  /** How often all that is compared is measured in turn. */
  readonly rounds: number;
  readonly warmUp: WarmUp;
}

/**
 * @param leadInSeconds runs before each measurement
 * @param longer so many times as long as usual; neither where speed is not what is asked for
 */
export function times({ seconds, warmUp }: Measuring, leadInSeconds: number, longer = 1): Times {
  return warmUp === 'short' ? { seconds } : { seconds: longer * seconds, leadInSeconds };
}

/**
 * Measures all of them round by round: what disturbs the machine disturbs all of them.
 *
 * @returns what each gave, in the order of the rounds
 */
export async function inTurn<Found extends Readonly<Record<string, unknown>>>(
  rounds: number,
  what: { readonly [Name in keyof Found]: () => Promise<Found[Name]> },
): Promise<{ readonly [Name in keyof Found]: readonly Found[Name][] }> {
  const names = Object.keys(what) as (keyof Found & string)[];
  const found = Object.fromEntries(names.map((name) => [name, []])) as unknown as {
    [Name in keyof Found]: Found[Name][];
  };
  for (let round = 0; round < rounds; round++) {
    for (const name of names) found[name].push(await what[name]());
  }
  return found;
}
