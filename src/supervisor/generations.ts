// The workers of all configurations: those that serve, and those before them that let their connections end.
import type { Ending } from '../listener/listener.ts';
import type { Generation } from './generation.ts';
import type { WorkerProcess } from './worker-process.ts';

/** So many generations may let their connections end while another one serves. */
const mostRetiring = 2;
/** As long as any time in a configuration: two of them together can be more than a timer counts, which is then over at once. */
const mostGraceMs = 24 * 24 * 60 * 60 * 1000;

/** One generation after another; none of them is left before its workers are gone. */
export class Generations {
  readonly #retiring = new Set<Generation>();
  #current: Generation | undefined;

  /** The one that new connections are for; undefined before the first. */
  get current(): Generation | undefined {
    return this.#current;
  }

  get all(): readonly Generation[] {
    return [...(this.#current ? [this.#current] : []), ...this.#retiring];
  }

  /** Of all of them. */
  get workers(): readonly WorkerProcess[] {
    return this.all.flatMap(({ workers }) => workers);
  }

  /** Has another one serve, that is started already; the one before it retires. */
  serveBy(next: Generation): void {
    const before = this.#current;
    this.#current = next;
    if (before) this.#retire(before);
  }

  /** They must not pile up: the oldest has no more patience when another one is to follow. */
  async makeRoom(): Promise<void> {
    while (this.#retiring.size >= mostRetiring) {
      const [oldest] = this.#retiring;
      if (!oldest) return;
      await oldest.end({ patienceMs: 0, graceMs: oldest.configuration.stopMs });
    }
  }

  /** Whether workers shall tell of transactions. */
  follow(on: boolean): void {
    for (const generation of this.all) generation.follow(on);
  }

  /** Ends all of them; resolves when their workers are gone. */
  async end(ending: Ending): Promise<void> {
    await Promise.all(this.all.map((generation) => generation.end(ending)));
  }

  kill(): void {
    for (const generation of this.all) generation.kill();
  }

  #retire(generation: Generation): void {
    this.#retiring.add(generation);
    const { listeners, stopMs } = generation.configuration;
    // A transaction is bounded by itself; whoever reloads does not mean to cut it off.
    const longestMs = Math.max(...listeners.map(({ limits }) => limits.transactionMs + limits.answerMs));
    const graceMs = Math.min(Math.max(stopMs, longestMs), mostGraceMs);
    void generation.end({ patienceMs: stopMs, graceMs }).then(() => {
      this.#retiring.delete(generation);
    });
  }
}
