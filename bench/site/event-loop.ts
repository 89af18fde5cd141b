// Loaded into a process before its program: lines in a file say for how long its event loop stood still.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How often it is looked at. */
const everyMs = 5;
/** What is not longer than this is not written down. */
const leastMs = 5;

/** The longest pauses within a time. */
export interface Pauses {
  /** As a clock shows it: what other processes did with the processor counts too. */
  readonly wallMs: number;
  /** Of it, what the process itself computed. */
  readonly ownMs: number;
}

/** Writes every pause to `PID.pauses` in the directory, until it is disposed of. */
export function watchEventLoop(directory: string): Disposable {
  let at = performance.now();
  let cpu = process.threadCpuUsage();
  const timer = setInterval(() => {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage(cpu);
    const wallMs = now - at - everyMs;
    const ownMs = Math.min(wallMs, (user + system) / 1000);
    if (wallMs > leastMs) {
      appendFileSync(join(directory, `${process.pid}.pauses`), `${Date.now()} ${wallMs} ${ownMs}\n`);
    }
    at = performance.now();
    cpu = process.threadCpuUsage();
  }, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** @returns the longest pauses that any of these processes had between two times */
export function longestPauses(
  directory: string,
  pids: readonly number[],
  begin: number,
  end: number,
): Pauses {
  const files = pids.map((pid) => join(directory, `${pid}.pauses`)).filter((file) => existsSync(file));
  const within = files
    .flatMap((file) => readFileSync(file, 'utf8').trim().split('\n'))
    .map((line) => line.split(' ').map(Number))
    .filter(([at = 0]) => at >= begin && at <= end);
  return {
    wallMs: Math.max(0, ...within.map(([, wallMs = 0]) => wallMs)),
    ownMs: Math.max(0, ...within.map(([, , ownMs = 0]) => ownMs)),
  };
}

const watched = process.env.BENCH_EVENT_LOOP;
if (watched !== undefined) watchEventLoop(watched);
