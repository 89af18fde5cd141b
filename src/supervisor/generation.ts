// The workers of one configuration: started together, each replaced when it dies, ended together.
import type { Account } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import type { Ending } from '../listener/listener.ts';
import type { Log, LogFields } from '../telemetry/log.ts';
import type { MetricsSnapshot } from '../telemetry/metrics-total.ts';
import { Backoff } from './backoff.ts';
import type { Exit } from './child.ts';
import { forkAs } from './fork.ts';
import type { SentConfiguration } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';

/** What a generation is made from, and whom it tells. */
export interface GenerationOptions {
  readonly configuration: Configuration;
  /** Where the listeners are bound, by name. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Who its workers run as; default: who we are. */
  readonly account: Account | undefined;
  readonly log: Log;
  /** Whether workers shall tell of transactions. */
  following(): boolean;
  /** A worker can take a connection. */
  free(): void;
  /** A worker's transaction ended. */
  records(records: readonly string[]): void;
  /** A worker died, and will be replaced. */
  died(): void;
  /** What a worker that is gone had counted. */
  gone(metrics: MetricsSnapshot): void;
}

/** `start` once, `end` in the end. */
export class Generation {
  readonly configuration: Configuration;
  readonly #options: GenerationOptions;
  readonly #sent: SentConfiguration;
  readonly #workers = new Set<WorkerProcess>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #running = false;
  #killed = false;
  #emptied = Promise.withResolvers<void>();

  constructor(options: GenerationOptions) {
    this.#options = options;
    this.configuration = options.configuration;
    const { customChecks: _, ...sent } = options.configuration;
    this.#sent = sent;
  }

  /** Processes that are there, also those that do not serve yet. */
  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /**
   * Starts its workers; they take connections when all of them are ready.
   *
   * @throws {Error} when one of them cannot start; none is left then
   */
  async start(): Promise<void> {
    const { workers: count } = this.configuration;
    const workers: WorkerProcess[] = [];
    try {
      for (let number = 1; number <= count; number++) workers.push(this.#fork(number));
      await Promise.all(workers.map(({ ready }) => ready));
    } catch (error) {
      for (const worker of workers) worker.kill();
      await Promise.all(workers.map(({ exited }) => exited));
      throw error;
    }
    this.#running = true;
    for (const worker of workers) this.#watch(worker, new Backoff());
  }

  /** Whether its workers shall tell of transactions. */
  follow(on: boolean): void {
    for (const worker of this.#workers) worker.follow(on);
  }

  /** Ends its workers; may be called again, to be less patient. */
  async end(ending: Ending): Promise<void> {
    this.#replaceNoMore();
    for (const worker of this.#workers) worker.end(ending);
    this.#checkEmpty();
    await this.#emptied.promise;
  }

  kill(): void {
    this.#killed = true;
    this.#replaceNoMore();
    for (const worker of this.#workers) worker.kill();
  }

  #replaceNoMore(): void {
    this.#running = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #fork(number: number): WorkerProcess {
    const { addresses, account, free, records, log } = this.#options;
    const worker: WorkerProcess = new WorkerProcess({
      worker: forkAs('worker', account),
      number,
      start: { kind: 'start', number, configuration: this.#sent, addresses },
      free,
      lost: (listener) => log.warn('connection lost', { listener, worker: number, pid: worker.pid }),
      stuck: (seconds) => log.error('worker stuck', { worker: number, pid: worker.pid, seconds }),
      records,
    });
    this.#workers.add(worker);
    void worker.exited.then(() => {
      this.#workers.delete(worker);
      this.#options.gone(worker.lastMetrics);
      this.#checkEmpty();
    });
    void worker.ready.then(
      () => worker.follow(this.#options.following()),
      () => undefined,
    );
    return worker;
  }

  /** Replaces a worker when it dies. One that is to end may have had mail until it died: that is told too. */
  #watch(worker: WorkerProcess, backoff: Backoff): void {
    let served = false;
    void worker.ready.then(
      () => {
        served = true;
      },
      () => undefined,
    );
    void worker.exited.then((exit) => {
      if (this.#running) this.#replace(worker, exit, backoff);
      else if (served && !this.#killed && exit.code !== 0) this.#tellDeath(worker, exit);
    });
  }

  #replace(worker: WorkerProcess, exit: Exit, backoff: Backoff): void {
    const delayMs = backoff.died(performance.now() - worker.startedAt);
    this.#tellDeath(worker, exit, { replacedAfterMs: delayMs });
    this.#options.died();
    this.#startAgain(worker.number, backoff, delayMs);
  }

  #tellDeath({ number, pid }: WorkerProcess, { code, signal }: Exit, more: LogFields = {}): void {
    const how = signal === null ? { status: code } : { signal };
    this.#options.log.error('worker died', { worker: number, pid, ...how, ...more });
  }

  #startAgain(number: number, backoff: Backoff, delayMs: number): void {
    const { log } = this.#options;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      let next: WorkerProcess;
      try {
        next = this.#fork(number);
      } catch (error) {
        const replacedAfterMs = backoff.died(0);
        log.error('worker cannot start', { worker: number, error, replacedAfterMs });
        this.#startAgain(number, backoff, replacedAfterMs);
        return;
      }
      this.#watch(next, backoff);
      next.ready.then(
        () => log.info('worker replaced', { worker: number, pid: next.pid }),
        (error: unknown) => {
          // One that was ended before it served could not start for that reason.
          if (this.#running) log.error('worker cannot start', { worker: number, pid: next.pid, error });
        },
      );
    }, delayMs);
    this.#timers.add(timer);
  }

  #checkEmpty(): void {
    if (!this.#running && this.#workers.size === 0) this.#emptied.resolve();
  }
}
