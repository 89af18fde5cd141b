// Bounded waiting for something that another process does.
import { setTimeout as pause } from 'node:timers/promises';

const PROBE_INTERVAL_MS = 20;

/**
 * Asks `probe` again and again until its answer is neither undefined nor false.
 *
 * @param what  what is waited for, named in the error
 * @param probe looks once; what it throws ends the waiting
 * @param limitMs how long to wait, in milliseconds
 * @param state  text that helps to understand a failure, such as a log
 * @throws Error when the time is over
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { limitMs = 20_000, state = () => '' }: { limitMs?: number; state?: () => string } = {},
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms\n${state()}`);
    await pause(PROBE_INTERVAL_MS);
  }
}
