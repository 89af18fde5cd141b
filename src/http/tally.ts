// Counts by name, for names that others choose: there is room for some, the rest are counted together.
import type { Counts } from './answers.ts';

/** Where names beyond the limit are counted. */
const others = 'other';

/** How often each name was seen. */
export class Tally {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  /** @param limit names that are told apart */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(name: string, times = 1): void {
    const known = this.#counts.has(name) || this.#counts.size < this.#limit;
    const key = known ? name : others;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + times);
  }

  addAll(tally: Tally): void {
    for (const [name, times] of tally.#counts) this.add(name, times);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Most frequent first. */
  counts(): Counts {
    return Object.fromEntries([...this.#counts].sort(([, a], [, b]) => b - a));
  }
}

/** Tallies by name, bounded as a tally is. */
export class Tallies {
  readonly #limit: number;
  readonly #tallies = new Map<string, Tally>();

  /** @param limit of names, and of names in each */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(name: string, inner: string): void {
    this.#of(name).add(inner);
  }

  addAll(tallies: Tallies): void {
    for (const [name, tally] of tallies.#tallies) this.#of(name).addAll(tally);
  }

  /** In the order in which they were first seen. */
  counts(): Readonly<Record<string, Counts>> {
    return Object.fromEntries([...this.#tallies].map(([name, tally]) => [name, tally.counts()]));
  }

  #of(name: string): Tally {
    const known = this.#tallies.has(name) || this.#tallies.size < this.#limit;
    const key = known ? name : others;
    const tally = this.#tallies.get(key) ?? new Tally(this.#limit);
    this.#tallies.set(key, tally);
    return tally;
  }
}
