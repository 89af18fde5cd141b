// Whether a process that we have started still does anything: it is asked for a sign of life each minute.

/** So often: of one that is stuck nobody else may notice, since a worker with many connections gets no other one. */
const everyMs = 60_000;
/** Whoever gives none for so long does nothing else either. */
const stuckMs = 60_000;

/** Whom it asks, and whom it tells. */
export interface PulseOptions {
  /** Sends the question. */
  ask(): void;
  /** There was no sign of life for so many seconds; told once. */
  stuck(seconds: number): void;
}

/** Of one process: `beat` whenever it has given a sign of life, the first being that it is ready; `stop` when it is gone. */
export class Pulse {
  readonly #options: PulseOptions;
  #state: 'resting' | 'asked' | 'stopped' = 'resting';
  /** Runs until the next question, then until it has to be answered. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  beat(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'resting';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.feel(), everyMs);
  }

  /** Asks now. */
  feel(): void {
    if (this.#state !== 'resting') return;
    this.#state = 'asked';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#options.stuck(stuckMs / 1000), stuckMs);
    this.#options.ask();
  }

  stop(): void {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
  }
}
