// Chance that can be repeated: everything that a run decides comes from its seed.

/** A stream of numbers; streams of other labels are independent of it. */
export class Random {
  readonly #label: string;
  #state: number;

  /** @param label names the stream, e.g. the seed */
  constructor(label: string) {
    this.#label = label;
    // FNV-1a, so that neighbouring seeds have nothing in common.
    this.#state = [...label].reduce(
      (hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193),
      0x811c9dc5,
    );
    for (let i = 0; i < 4; i += 1) this.#next();
  }

  /** Another stream, the same whatever was drawn from this one. */
  fork(label: string | number): Random {
    return new Random(`${this.#label}/${label}`);
  }

  /** True in `probability` of all cases. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** From `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  /** One of several. */
  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.whole(0, choices.length - 1)] ?? choices[0];
  }

  /** Mulberry32: from 0 to below 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
}
