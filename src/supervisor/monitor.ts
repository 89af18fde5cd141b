// Keeps metrics, health and status served: by a process of its own, that is replaced when it dies. Mail passes also without it.
import { isDeepStrictEqual } from 'node:util';
import type { Account } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import type { Log } from '../telemetry/log.ts';
import type { LogOptions } from '../telemetry/log-options.ts';
import { Backoff } from './backoff.ts';
import { forkAs } from './fork.ts';
import { HttpProcess } from './http-process.ts';
import type { TotalObservatory } from './total-observatory.ts';

/** What is to be served, and by whom. */
export interface MonitorOptions {
  readonly http: Configuration['http'];
  /** Who serves it; default: who we are. */
  readonly account: Account | undefined;
  readonly log: LogOptions;
}

/** HTTP as another configuration wants it, served already; exactly one of the two functions is to be called. */
export interface MonitorChange {
  commit(): void;
  cancel(): void;
}

/** One process, or none. */
export class Monitor {
  readonly #observatory: TotalObservatory;
  readonly #log: Log;
  #options: MonitorOptions | undefined;
  #current: HttpProcess | undefined;
  #next: HttpProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  constructor(observatory: TotalObservatory, log: Log) {
    this.#observatory = observatory;
    this.#log = log;
  }

  /** Begins to serve; where that cannot be, it is told, and tried again. */
  async start(options: MonitorOptions): Promise<void> {
    this.#options = options;
    await this.#run(options, new Backoff());
  }

  /**
   * Starts what is wanted beside what is there; both may have the same address. What is wanted already is
   * left alone, whether it can be had or is still tried.
   *
   * @throws {Error} when it cannot be served; nothing has changed then
   */
  async prepare(options: MonitorOptions): Promise<MonitorChange> {
    if (isDeepStrictEqual(options, this.#options)) return { commit() {}, cancel() {} };
    const next = this.#fork(options);
    this.#next = next;
    try {
      const address = await next?.ready;
      return {
        commit: () => this.#use(options, next, address),
        cancel: () => {
          this.#next = undefined;
          next?.kill();
        },
      };
    } catch (error) {
      this.#next = undefined;
      throw error;
    }
  }

  /** What is being prepared is not wanted any more. */
  giveUp(): void {
    this.#next?.kill();
  }

  async close(): Promise<void> {
    await this.#replaceBy(undefined);
  }

  #use(options: MonitorOptions, next: HttpProcess | undefined, address: string | undefined): void {
    this.#options = options;
    this.#next = undefined;
    void this.#replaceBy(next);
    if (next) this.#serves(options, next, address, new Backoff());
  }

  async #replaceBy(next: HttpProcess | undefined): Promise<void> {
    clearTimeout(this.#timer);
    const before = this.#current;
    this.#current = next;
    await before?.end();
  }

  async #run(options: MonitorOptions, backoff: Backoff): Promise<void> {
    let started: HttpProcess | undefined;
    this.#current = undefined;
    try {
      started = this.#fork(options);
      this.#current = started;
      if (!started) return;
      this.#serves(options, started, await started.ready, backoff);
    } catch (error) {
      if (this.#current !== started) return;
      // The same would be told every half minute.
      if (!this.#told) this.#log.error('no metrics, health and status: `http` cannot be served', { error });
      this.#told = true;
      this.#runAgain(options, backoff, backoff.died(0));
    }
  }

  #serves(
    options: MonitorOptions,
    started: HttpProcess,
    address: string | undefined,
    backoff: Backoff,
  ): void {
    this.#told = false;
    this.#log.info('http listening', { address });
    void started.exited.then(({ code, signal }) => {
      if (this.#current !== started) return;
      const delayMs = backoff.died(performance.now() - started.startedAt);
      this.#log.error('http process died', {
        pid: started.pid,
        ...(signal === null ? { status: code } : { signal }),
        replacedAfterMs: delayMs,
      });
      this.#runAgain(options, backoff, delayMs);
    });
  }

  #runAgain(options: MonitorOptions, backoff: Backoff, delayMs: number): void {
    this.#timer = setTimeout(() => void this.#run(options, backoff), delayMs);
  }

  #fork({ http, account, log }: MonitorOptions): HttpProcess | undefined {
    if (http === false) return undefined;
    const forked: HttpProcess = new HttpProcess({
      worker: forkAs('http-worker', account),
      start: { kind: 'start', http, log },
      observatory: this.#observatory,
      stuck: (seconds) => this.#log.error('http process stuck', { pid: forked.pid, seconds }),
    });
    return forked;
  }
}
