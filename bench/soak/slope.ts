// Whether a series grows: a line by least squares through what was measured, and how sure its slope is.
import { median } from '../statistics.ts';

export interface Point {
  /** Points of one group have a level of their own, as the samples of one process have. */
  readonly group: string;
  /** Hours. */
  readonly at: number;
  readonly value: number;
  /** What else the value follows, such as how busy the machine was: its part is taken out. */
  readonly beside?: number;
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
 * @param value of those in a block: the median, or for what only ever hides by being higher, `least`
 */
export function blocksOf(
  points: readonly Point[],
  hours: number,
  value: typeof median = median,
): readonly Point[] {
  const blocks = new Map<string, Point[]>();
  for (const point of points) {
    const key = `${point.group} ${Math.floor(point.at / hours)}`;
    const block = blocks.get(key);
    if (block) block.push(point);
    else blocks.set(key, [point]);
  }
  return [...blocks.values()].map((block) => {
    const beside = block.flatMap((point) => point.beside ?? []);
    return {
      group: block[0]?.group ?? '',
      at: median(block.map(({ at }) => at)),
      value: value(block.map((point) => point.value)),
      ...(beside.length > 0 && { beside: median(beside) }),
    };
  });
}

export function least(values: readonly number[]): number {
  return Math.min(...values);
}

/**
 * The slope that all groups have in common.
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
  const beside = centred(
    points.map((point) => point.beside ?? 0),
    groups,
  );
  const explained = product(beside, beside) > 0;
  const freedom = points.length - new Set(groups).size - (explained ? 2 : 1);
  if (freedom < leastFreedom) return undefined;
  // Frisch and Waugh: what the other variable explains is taken out of both, and the slope is that of both together.
  const t = explained ? without(times, beside) : times;
  const v = explained ? without(values, beside) : values;
  const spread = product(t, t);
  if (spread === 0) return undefined;
  const perHour = product(t, v) / spread;
  const residuals = v.map((value, i) => value - perHour * (t[i] ?? 0));
  const correlation = correlationOf(residuals, groups);
  const variance =
    (product(residuals, residuals) / freedom / spread) * ((1 + correlation) / (1 - correlation));
  const margin = studentsT(freedom) * Math.sqrt(variance);
  return { perHour, low: perHour - margin, high: perHour + margin, blocks: points.length };
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

function without(values: readonly number[], other: readonly number[]): readonly number[] {
  const share = product(values, other) / product(other, other);
  return values.map((value, i) => value - share * (other[i] ?? 0));
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
