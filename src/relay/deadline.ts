// A time limit that is set anew with every command, for the price of one timer in minutes.

/**
 * A deadline that moves. Its timer is not touched while it moves away: when that fires too early, it is set
 * for the rest. It keeps no process alive: what is waited for does.
 */
export class Deadline {
  readonly #over: () => void;
  /** On the clock of `performance.now()`. */
  #dueAt = Number.POSITIVE_INFINITY;
  #wakesAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param over is called each time the deadline passes */
  constructor(over: () => void) {
    this.#over = over;
  }

  /** The time is over in so long, whatever was said before. */
  set(forMs: number): void {
    this.#dueAt = performance.now() + forMs;
    if (this.#dueAt < this.#wakesAt) this.#arm();
  }

  /** The time is over in so long, or when it would have been before. */
  atMost(forMs: number): void {
    if (performance.now() + forMs < this.#dueAt) this.set(forMs);
  }

  /** Nothing is due until it is set again. */
  lift(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  /** As `lift`, when it will not be set again: no timer is left behind. */
  end(): void {
    this.lift();
    clearTimeout(this.#timer);
    this.#wakesAt = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#wakesAt = this.#dueAt;
    this.#timer = setTimeout(this.#wake, Math.ceil(this.#dueAt - performance.now())).unref();
  }

  readonly #wake = (): void => {
    this.#wakesAt = Number.POSITIVE_INFINITY;
    if (this.#dueAt === Number.POSITIVE_INFINITY) return;
    if (performance.now() < this.#dueAt) {
      this.#arm();
    } else {
      this.lift();
      this.#over();
    }
  };
}
