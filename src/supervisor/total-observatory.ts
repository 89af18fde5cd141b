// What all workers together tell: each is asked, and who does not answer in time is left out.
import type { Metrics } from '../telemetry/metrics.ts';
import { EndedProcesses, type MetricsSnapshot, metricsText } from '../telemetry/metrics-total.ts';
import type { Observatory, Readiness, WorkerStatus } from '../telemetry/status.ts';
import { newestFirst, type Story, type StorySummary } from '../telemetry/trace.ts';
import { Followers } from './followers.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Who is asked. */
export interface Asked {
  /** Every process that passes mail, also those that only let their connections end. */
  all(): readonly WorkerProcess[];
  /** Those that new connections are for. */
  current(): readonly WorkerProcess[];
  /** Whether no mail can pass, whatever the workers say. */
  readonly stopping: boolean;
  /** Listeners that nobody can connect to. */
  readonly lost: readonly { readonly listener: string; readonly address: string }[];
  /** Whether workers shall tell of transactions. */
  follow(on: boolean): void;
}

/** The primary's. */
export class TotalObservatory implements Omit<Observatory, 'follow'> {
  readonly #asked: Asked;
  readonly #metrics: Metrics;
  readonly #ended = new EndedProcesses();
  /** They hear what one worker says of transactions: JSON, which only passes through here. */
  readonly #followers = new Followers<readonly string[]>((on) => this.#asked.follow(on));

  /** @param metrics the primary's own */
  constructor(asked: Asked, metrics: Metrics) {
    this.#asked = asked;
    this.#metrics = metrics;
  }

  async status(): Promise<readonly WorkerStatus[]> {
    return known(await Promise.all(this.#asked.all().map((worker) => worker.ask({ what: 'status' }))));
  }

  async metrics(): Promise<string> {
    const workers = this.#asked.all();
    this.#metrics.workers(workers.length);
    // Who does not answer now counts as when it answered last: a sum must not fall.
    const answers = workers.map(
      async (worker) => (await worker.ask({ what: 'metrics' })) ?? worker.lastMetrics,
    );
    const snapshots = await Promise.all([this.#metrics.snapshot(), this.#ended.snapshot(), ...answers]);
    return metricsText(snapshots.filter(({ length }) => length > 0));
  }

  async readiness(): Promise<Readiness> {
    if (this.#asked.stopping) return { ready: false, reasons: ['Postern is stopping'] };
    const answers = known(
      await Promise.all(this.#asked.current().map((worker) => worker.ask({ what: 'readiness' }))),
    );
    if (answers.length === 0) return { ready: false, reasons: ['no worker answers'] };
    // One worker that has a connection proves that there is one to be had.
    const best = answers.find(({ ready }) => ready);
    const reasons = [
      ...this.#asked.lost.map(({ listener, address }) => `listener ${listener}: ${address} was removed`),
      ...(best ? [] : new Set(answers.flatMap((answer) => answer.reasons))),
    ];
    return { ready: reasons.length === 0, reasons };
  }

  async stories(): Promise<readonly StorySummary[]> {
    const lists = await Promise.all(this.#asked.all().map((worker) => worker.ask({ what: 'stories' })));
    return known(lists).flat().sort(newestFirst);
  }

  async story(id: string): Promise<Story | undefined> {
    const found = this.#asked.all().map((worker) => worker.ask({ what: 'story', id }));
    return known(await Promise.all(found))[0];
  }

  /** Hears of each transaction that ended, from now on until the signal is aborted. */
  follow(hear: (records: readonly string[]) => void, signal: AbortSignal): void {
    this.#followers.add(hear, signal);
  }

  /** Whether anybody follows. */
  get followed(): boolean {
    return this.#followers.any;
  }

  /** A worker tells of transactions. */
  tell(records: readonly string[]): void {
    this.#followers.tell(records);
  }

  /** A worker is gone, having counted this. */
  gone(metrics: MetricsSnapshot): void {
    if (metrics.length > 0) this.#ended.add(metrics);
  }
}

function known<T>(answers: readonly (T | undefined)[]): T[] {
  return answers.filter((answer) => answer !== undefined);
}
