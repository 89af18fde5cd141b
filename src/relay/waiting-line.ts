// The waiting line of a pool: first come, first served, with a deadline.
import { DownstreamError } from './error.ts';

interface Waiter<Grant> {
  readonly fresh: boolean;
  readonly proceed: (grant: Grant) => void;
  readonly refuse: (why: string, cause?: unknown) => void;
}

/** Who waits for a `Grant`. */
export class WaitingLine<Grant> {
  readonly #waiters: Waiter<Grant>[] = [];

  get length(): number {
    return this.#waiters.length;
  }

  /**
   * Waits for the caller's turn.
   *
   * @param fresh whether only a fresh session will do
   * @throws {DownstreamError} of kind `waiting` when `waitMs` are over, the signal aborts or the line is dismissed
   */
  async join(fresh: boolean, waitMs: number, signal: AbortSignal): Promise<Grant> {
    const { promise, resolve, reject } = Promise.withResolvers<Grant>();
    const waiter: Waiter<Grant> = {
      fresh,
      proceed: resolve,
      refuse: (why, cause) => {
        // Whoever is out of the line has been granted something, and must not lose it.
        if (this.#leave(waiter))
          reject(new DownstreamError('waiting', `no downstream connection: ${why}`, { cause }));
      },
    };
    const onAbort = () => waiter.refuse('given up while waiting', signal.reason);
    const timer = setTimeout(() => waiter.refuse(`all are busy, waited ${waitMs} ms`), waitMs);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiters.push(waiter);
    if (signal.aborted) onAbort();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Serves in order as long as there is something to give.
   *
   * @param take reserves what the first one needs; undefined when there is nothing
   */
  serve(take: (fresh: boolean) => Grant | undefined): void {
    for (let first = this.#waiters[0]; first; first = this.#waiters[0]) {
      const grant = take(first.fresh);
      if (grant === undefined) return;
      this.#waiters.shift();
      first.proceed(grant);
    }
  }

  /** There will be nothing for anybody who waits now. */
  dismiss(why: string): void {
    for (const { refuse } of [...this.#waiters]) refuse(why);
  }

  #leave(waiter: Waiter<Grant>): boolean {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
    return at >= 0;
  }
}
