// Ends a process that works and works without a sign: what hangs in one turn of the event loop cannot say so itself.
import { writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Processor time; longer than any batch takes that is all one turn of the event loop. */
const longestMs = 300_000;
const signEveryMs = 10_000;

/** Watches this process for as long as it lives. */
export class Watchdog {
  readonly #worker: Worker;

  /** @param name what the process is called in what is said of its end */
  constructor(name: string) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: name });
    this.#worker.unref();
    setInterval(() => this.#worker.postMessage(undefined), signEveryMs).unref();
  }

  /** A sign, and what is to be told if it was the last. */
  begins(work: string): void {
    this.#worker.postMessage(work);
  }
}

/** Processor time and not the clock's: on a busy machine a process may get next to nothing for minutes, and does not hang. */
function usedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function watch(name: string, signs: NonNullable<typeof parentPort>): void {
  let work = 'nothing yet';
  let before = usedMs();
  signs.on('message', (begun: string | undefined) => {
    work = begun ?? work;
    before = usedMs();
  });
  setInterval(() => {
    if (usedMs() - before < longestMs) return;
    // Past the streams of the main thread, which would have to wait for it.
    writeSync(1, `[${name}] HANGS: ${longestMs / 60_000} minutes of work without a sign, at ${work}\n`);
    process.kill(process.pid, 'SIGKILL');
  }, signEveryMs);
}

if (!isMainThread && parentPort !== null) watch(workerData, parentPort);
