// How long a step may take: a timer that starts again with each step, and one promise that fails when a step took too long.

export class Patience {
  /** Fails when a step took too long; never succeeds. */
  readonly over: Promise<never>;
  readonly #timeoutMs: number;
  readonly #over = Promise.withResolvers<never>();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.over = this.#over.promise;
    // Nobody may be waiting at that moment.
    this.over.catch(() => undefined);
    this.renew();
  }

  /** A step is done, the next one has all the time again. */
  renew(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#over.reject(new Error(`the server gave no answer within ${this.#timeoutMs / 1000} s`));
    }, this.#timeoutMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
