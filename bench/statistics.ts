// The little arithmetic that noisy measurements need.

/** @returns the middle value; of an even number of them the mean of both; NaN of none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)) / 2;
}

/** The median of the quotients of what was measured side by side. */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, i) => value / (theirs[i] ?? Number.NaN)));
}
