// How late the event loop is: what everything else in the process waits for.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** How often it is measured. */
const resolutionMs = 20;
/** How long a time the numbers are about: at least this, at most twice as much. */
const windowMs = 10_000;

/** Measures from its making to `close`, and keeps no process alive. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  readonly #timer: NodeJS.Timeout;
  readonly #p50: Gauge;
  readonly #p99: Gauge;
  #before = { p50: 0, p99: 0 };

  constructor(registry: Registry) {
    const gauge = (percentile: 'p50' | 'p99', words: string) =>
      new Gauge({
        name: `postern_event_loop_lag_${percentile}_seconds`,
        help: `How late the event loop was within the last seconds, ${words}; of the latest process.`,
        registers: [registry],
        aggregator: 'max',
      });
    this.#p50 = gauge('p50', 'median');
    this.#p99 = gauge('p99', '99th percentile');
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#turn(), windowMs).unref();
  }

  /** The worse of the last window and the one that is open. */
  get milliseconds(): { readonly p50: number; readonly p99: number } {
    const now = this.#read();
    return { p50: Math.max(now.p50, this.#before.p50), p99: Math.max(now.p99, this.#before.p99) };
  }

  collect(): void {
    const { p50, p99 } = this.milliseconds;
    this.#p50.set(p50 / 1000);
    this.#p99.set(p99 / 1000);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #turn(): void {
    this.#before = this.#read();
    this.#histogram.reset();
  }

  #read(): { readonly p50: number; readonly p99: number } {
    if (this.#histogram.count === 0) return { p50: 0, p99: 0 };
    // What it measures is the time between two looks, of which the resolution is nobody's delay.
    const late = (percentile: number) =>
      Math.max(0, this.#histogram.percentile(percentile) / 1e6 - resolutionMs);
    return { p50: late(50), p99: late(99) };
  }
}
