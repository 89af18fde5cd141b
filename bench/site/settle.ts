// Until code has been compiled: what it costs is looked at again and again, and is no longer falling in the end.

/** What was seen in a stretch of time. */
export interface Stretch {
  readonly messages: number;
  /** For each message. */
  readonly cpuMs: number;
}

const stretchSeconds = 2.5;
/** So many stretches in turn that bring nothing better are enough. */
const patience = 3;
/** Better is what costs less by this much: the rest is noise. */
const better = 0.97;
const mostSeconds = 45;

/**
 * Goes on until the cost of a message falls no more, or for 45 seconds.
 *
 * @param leastMessages before the end is looked for
 * @param run works for so many seconds
 */
export async function settle(
  leastMessages: number,
  run: (seconds: number) => Promise<Stretch>,
): Promise<void> {
  const costs: number[] = [];
  let messages = 0;
  for (let seconds = 0; seconds < mostSeconds; seconds += stretchSeconds) {
    const stretch = await run(stretchSeconds);
    costs.push(stretch.cpuMs);
    messages += stretch.messages;
    if (messages >= leastMessages && isSettled(costs)) return;
  }
}

/** @param costs of stretches, in order @returns whether the last ones are no better than those before */
export function isSettled(costs: readonly number[]): boolean {
  const before = Math.min(...costs.slice(0, -patience));
  return costs.length > patience && Math.min(...costs.slice(-patience)) >= before * better;
}
