// A process that the primary has started: whether it is ready, whether it lives, and how it ended, also where it never began.
import type { Worker } from 'node:cluster';
import { Pulse, type PulseOptions } from './pulse.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process that has loaded its modules in such a time, or never will. */
const startMs = 60_000;

/** From fork to exit; what it is told and what it says is its owner's business. */
export class Child<Ready = void> {
  readonly startedAt = performance.now();
  /** @throws {Error} when it cannot start */
  readonly ready: Promise<Ready>;
  readonly exited: Promise<Exit>;
  readonly worker: Worker;
  /** Felt from when it is ready until it is gone. */
  readonly pulse: Pulse;
  readonly #ready = Promise.withResolvers<Ready>();
  readonly #startTimer: NodeJS.Timeout;

  /**
   * @param name for messages, such as `worker`
   * @param life where it gives no sign of it, that is told, and it is killed
   */
  constructor(worker: Worker, name: string, life: PulseOptions) {
    this.worker = worker;
    this.pulse = new Pulse({
      ...life,
      stuck: (seconds) => {
        life.stuck(seconds);
        this.kill();
      },
    });
    this.ready = this.#ready.promise;
    // Whoever does not wait for it hears of the exit.
    this.ready.catch(() => undefined);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    void promise.then(() => this.pulse.stop());
    worker.once('exit', (code: number | null, signal: string | null) => {
      this.failed(new Error(`${name} ended with ${signal ?? `status ${code}`}`));
      resolve({ code, signal });
    });
    worker.on('error', (error) => {
      // A process whose channel is closed is about to end: `exit` follows. One that never began has no exit.
      if (this.pid !== undefined) return;
      this.failed(new Error(`${name} cannot be started: ${error.message}`, { cause: error }));
      resolve({ code: null, signal: null });
    });
    this.#startTimer = setTimeout(() => {
      this.failed(new Error(`${name} was not ready within ${startMs / 1000} s`));
      this.kill();
    }, startMs);
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  /** It has said so. */
  becameReady(value: Ready): void {
    clearTimeout(this.#startTimer);
    this.#ready.resolve(value);
    this.pulse.beat();
  }

  /** It will not get ready any more; after that it has been, this says nothing. */
  failed(error: Error): void {
    clearTimeout(this.#startTimer);
    this.#ready.reject(error);
  }

  kill(): void {
    this.worker.process.kill('SIGKILL');
  }
}
