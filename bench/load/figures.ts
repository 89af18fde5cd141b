// The figures of a run, or of a part of it: counts, and the distribution of the messages' latency.
import { createHistogram } from 'node:perf_hooks';

export class Figures {
  readonly #latency = createHistogram();
  #begun = performance.now();
  #ended = this.#begun;
  #accepted = 0;
  #refused = 0;
  #unanswered = 0;
  #bytes = 0;

  /** @param latencyMs undefined when there was no answer @param bytes of the content, when it was accepted */
  add(what: 'accepted' | 'refused' | 'unanswered', bytes: number, latencyMs: number): void {
    this.#ended = performance.now();
    if (what === 'unanswered') {
      this.#unanswered++;
      return;
    }
    this.#latency.record(Math.max(1, Math.round(latencyMs * 1000)));
    if (what === 'refused') this.#refused++;
    else {
      this.#accepted++;
      this.#bytes += bytes;
    }
  }

  /** The clock begins again. */
  begin(): void {
    this.#begun = performance.now();
  }

  summary() {
    const seconds = (this.#ended - this.#begun) / 1000;
    const ms = (percentile: number) => this.#latency.percentile(percentile) / 1000;
    const answered = this.#accepted + this.#refused;
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      unanswered: this.#unanswered,
      seconds,
      perSecond: seconds > 0 ? this.#accepted / seconds : 0,
      bytes: this.#bytes,
      latencyMs:
        answered === 0
          ? { p50: 0, p95: 0, p99: 0, max: 0 }
          : { p50: ms(50), p95: ms(95), p99: ms(99), max: this.#latency.max / 1000 },
    };
  }
}

export type Summary = ReturnType<Figures['summary']>;
