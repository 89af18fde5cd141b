// Signals of `postern serve`: heard from its first moment, so that none of them ends it unasked while it starts.
import { exits } from '../exits.ts';
import type { Log } from '../telemetry/log.ts';

/** Who does what they say. */
export interface Signalled {
  readonly log: Log;
  reload(): void;
  /** Ends everything at once. */
  kill(): void;
}

/** What a process is told from outside; one for each process. */
export class Signals {
  /** Resolves at the first that asks for the end, which is orderly and bounded. */
  readonly end: Promise<void>;
  #signalled: Signalled | undefined;
  #reloadAsked = false;
  #ends = 0;

  constructor() {
    process.on('SIGHUP', () => this.#reload());
    // The debugger of Node.js would listen after SIGUSR1, the others would end the process.
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const) {
      process.on(signal, () => this.#signalled?.log.warn('signal not heeded', { signal }));
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.end = promise;
    for (const [signal, number] of [
      ['SIGTERM', 15],
      ['SIGINT', 2],
      ['SIGQUIT', 3],
    ] as const) {
      process.on(signal, () => {
        this.#end(signal, number);
        resolve();
      });
    }
  }

  /** From now on there is somebody to tell; what was said before is told now. */
  tell(signalled: Signalled): void {
    this.#signalled = signalled;
    if (this.#reloadAsked) this.#reload();
  }

  #reload(): void {
    this.#reloadAsked = true;
    this.#signalled?.log.info('reloading', { signal: 'SIGHUP' });
    this.#signalled?.reload();
  }

  /** Whoever sends a second one will not wait. */
  #end(signal: NodeJS.Signals, number: number): void {
    // Nothing has been started yet.
    if (!this.#signalled) process.exit(exits.ok);
    this.#ends += 1;
    if (this.#ends > 1) {
      this.#signalled.kill();
      process.exit(128 + number);
    }
    this.#signalled.log.info('stopping', { signal });
  }
}
