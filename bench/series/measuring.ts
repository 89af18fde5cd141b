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

/** @param leadInSeconds only where everything else is warm too */
export function times({ seconds, warmUp }: Omit<Measuring, 'rounds'>, leadInSeconds: number): Times {
  return warmUp === 'short' ? { seconds } : { seconds, leadInSeconds };
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
