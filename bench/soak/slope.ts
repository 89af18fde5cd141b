// Whether a series grows: a line through what was measured, and how sure its slope is.
import { median } from '../statistics.ts';

export interface Point {
  /** Points of one group have a level of their own, as the samples of one process have. */
  readonly group: string;
  /** Hours. */
  readonly at: number;
  readonly value: number;
}

/** Per hour, with the ends of its 95 % interval. */
export interface Slope {
  readonly perHour: number;
  readonly low: number;
  readonly high: number;
  /** Blocks that it was reckoned from. */
  readonly blocks: number;
}

/** Fewer degrees of freedom say nothing. */
const leastFreedom = 5;
/** Of the normal distribution: 95 % are within so many standard deviations. */
const z = 1.96;
/** Residuals that follow each other more closely than so tell of one event rather than of many. */
const mostCorrelation = 0.9;

/**
 * Puts what was measured within a time together: neighbours in time are no independent witnesses, and a single
 * disturbed one should not count.
 *
 * @param points in the order of time
 * @param hours a block's length
 * @param which of the values stands for a block; default: the least, since what disturbs raises most of what is measured
 */
export function blocksOf(
  points: readonly Point[],
  hours: number,
  which: (...values: number[]) => number = Math.min,
): readonly Point[] {
  const blocks = new Map<string, Point[]>();
  for (const point of points) {
    const key = `${point.group} ${Math.floor(point.at / hours)}`;
    const block = blocks.get(key);
    if (block) block.push(point);
    else blocks.set(key, [point]);
  }
  return [...blocks.values()].map((block) => ({
    group: block[0]?.group ?? '',
    at: median(block.map(({ at }) => at)),
    value: which(...block.map((point) => point.value)),
  }));
}

/**
 * The slope that all groups have in common, by least squares.
 *
 * @param points in the order of time; of each group
 * @returns undefined when there are too few
 */
export function slopeOf(points: readonly Point[]): Slope | undefined {
  const groups = points.map(({ group }) => group);
  const times = centred(
    points.map(({ at }) => at),
    groups,
  );
  const values = centred(
    points.map(({ value }) => value),
    groups,
  );
  const freedom = points.length - new Set(groups).size - 1;
  if (freedom < leastFreedom) return undefined;
  const spread = product(times, times);
  if (spread === 0) return undefined;
  const perHour = product(times, values) / spread;
  const residuals = values.map((value, i) => value - perHour * (times[i] ?? 0));
  const correlation = correlationOf(residuals, groups);
  const variance =
    (product(residuals, residuals) / freedom / spread) * ((1 + correlation) / (1 - correlation));
  const margin = studentsT(freedom) * Math.sqrt(variance);
  return { perHour, low: perHour - margin, high: perHour + margin, blocks: points.length };
}

/**
 * The slope of what a single disturbance can raise by any amount: the median of those between all pairs of points
 * (Theil and Sen), which half of them would have to be disturbed to change much. The interval follows from Kendall's
 * rank correlation (Hollander and Wolfe, Nonparametric Statistical Methods, §9.3).
 *
 * @param points all of one group
 * @returns undefined when there are too few
 */
export function robustSlopeOf(points: readonly Point[]): Slope | undefined {
  const count = points.length;
  if (count < leastFreedom + 2) return undefined;
  const slopes = points
    .flatMap((one, i) => points.slice(i + 1).map((other) => (other.value - one.value) / (other.at - one.at)))
    .sort((a, b) => a - b);
  const within = z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const rank = (at: number) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.floor(at)))] ?? Number.NaN;
  return {
    perHour: median(slopes),
    low: rank((slopes.length - within) / 2),
    high: rank((slopes.length + within) / 2),
    blocks: count,
  };
}

/** Of each group its mean is taken away. */
function centred(values: readonly number[], groups: readonly string[]): readonly number[] {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const [i, value] of values.entries()) {
    const { sum = 0, count = 0 } = sums.get(groups[i] ?? '') ?? {};
    sums.set(groups[i] ?? '', { sum: sum + value, count: count + 1 });
  }
  return values.map((value, i) => {
    const { sum = 0, count = 1 } = sums.get(groups[i] ?? '') ?? {};
    return value - sum / count;
  });
}

function product(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

/** How much each residual is like the one before it, from 0: what is correlated is worth fewer points. */
function correlationOf(residuals: readonly number[], groups: readonly string[]): number {
  const before = residuals.slice(0, -1).map((value, i) => (groups[i] === groups[i + 1] ? value : 0));
  const square = product(residuals, residuals);
  if (square === 0) return 0;
  return Math.min(mostCorrelation, Math.max(0, product(before, residuals.slice(1)) / square));
}

/** The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5). */
function studentsT(freedom: number): number {
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}
