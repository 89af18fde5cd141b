// Durations as a histogram of fixed size, from which percentiles are read.
import type { Percentiles } from './answers.ts';

/** Eight bins from each power of two to the next: a bin's middle is within 5 % of all that is in it. */
const binsPerDoubling = 8;
/** The first bin holds what is shorter, the last one what is longer than 2^22 ms, more than an hour. */
const shortestMs = 0.1;
const bins = Math.ceil(Math.log2(2 ** 22 / shortestMs)) * binsPerDoubling;

/** Counts durations; takes less than a kilobyte, however many there are. */
export class Durations {
  readonly #counts = new Uint32Array(bins);
  #max = 0;

  /** @param milliseconds not negative */
  add(milliseconds: number): void {
    const bin = Math.floor(Math.log2(Math.max(milliseconds, shortestMs) / shortestMs) * binsPerDoubling);
    const place = Math.min(bin, bins - 1);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#max = Math.max(this.#max, milliseconds);
  }

  /** @returns of all of them together; undefined when there are no durations */
  static percentiles(all: readonly Durations[]): Percentiles | undefined {
    const counts = new Float64Array(bins);
    for (const each of all)
      each.#counts.forEach((count, bin) => {
        counts[bin] = (counts[bin] ?? 0) + count;
      });
    const count = counts.reduce((sum, each) => sum + each, 0);
    if (count === 0) return undefined;
    const max = Math.max(...all.map((each) => each.#max));
    const at = (share: number) => Math.min(round(middle(rank(counts, share * count))), max);
    return { count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max };
  }
}

/** The bin that holds the duration with that many as short as it or shorter. */
function rank(counts: Float64Array, wanted: number): number {
  let seen = 0;
  return counts.findIndex((count) => {
    seen += count;
    return count > 0 && seen >= wanted;
  });
}

/** Geometric: a bin's ends are as far from it in relation. */
function middle(bin: number): number {
  return bin === 0 ? shortestMs : shortestMs * 2 ** ((bin + 0.5) / binsPerDoubling);
}

/** A tenth of a millisecond is as fine as anybody reads. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
