// How long to wait before a worker that died is replaced: not at all once, longer and longer when it dies at once again.

const firstMs = 1000;
const mostMs = 30_000;
/** Who has lived for so long did not die of what its predecessor died of. */
const healthyMs = 60_000;

/** One for each worker's place. */
export class Backoff {
  #deaths = 0;

  /**
   * A worker died.
   *
   * @param livedMs for how long it ran
   * @returns how long to wait, in milliseconds
   */
  died(livedMs: number): number {
    if (livedMs >= healthyMs) this.#deaths = 0;
    const delayMs = this.#deaths === 0 ? 0 : Math.min(firstMs * 2 ** (this.#deaths - 1), mostMs);
    this.#deaths += 1;
    return delayMs;
  }
}
