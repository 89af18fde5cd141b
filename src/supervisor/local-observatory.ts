// What one process tells of itself: its proxy, its metrics, its trace.
import type { Proxy as MailProxy } from '../proxy.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type MetricsSnapshot, metricsText } from '../telemetry/metrics-total.ts';
import { type Observatory, type Readiness, unreachable, type WorkerStatus } from '../telemetry/status.ts';
import type { Story, StorySummary } from '../telemetry/trace.ts';

/** How long an unreachable destination is tried when somebody asks whether all is well. */
const probeMs = 1000;

/** Around one proxy in this process. */
export class LocalObservatory implements Observatory {
  readonly #proxy: MailProxy;
  readonly #metrics: Metrics;
  readonly #startedAt = new Date(Date.now() - performance.now()).toISOString();

  constructor(proxy: MailProxy, metrics: Metrics) {
    this.#proxy = proxy;
    this.#metrics = metrics;
  }

  async status(): Promise<readonly WorkerStatus[]> {
    return [this.worker()];
  }

  /** This process alone. */
  worker(): WorkerStatus {
    return {
      pid: process.pid,
      startedAt: this.#startedAt,
      ...this.#proxy.status,
      residentBytes: process.memoryUsage.rss(),
      eventLoop: this.#metrics.eventLoop,
    };
  }

  snapshot(): Promise<MetricsSnapshot> {
    return this.#metrics.snapshot();
  }

  async metrics(): Promise<string> {
    return metricsText([await this.snapshot()]);
  }

  /** A destination that did not answer is tried again: where nobody sends mail to it, nobody else would. */
  async readiness(): Promise<Readiness> {
    await this.#proxy.probe(probeMs);
    const reasons = this.#proxy.status.listeners.flatMap((listener) =>
      listener.reachable ? [] : [unreachable(listener)],
    );
    return { ready: reasons.length === 0, reasons };
  }

  async stories(): Promise<readonly StorySummary[]> {
    return this.#proxy.trace.list();
  }

  async story(id: string): Promise<Story | undefined> {
    return this.#proxy.trace.get(id);
  }

  follow(hear: (record: Readonly<Record<string, unknown>>) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    signal.addEventListener('abort', this.#proxy.follow(hear), { once: true });
  }
}
