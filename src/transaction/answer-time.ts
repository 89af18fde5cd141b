// How long upstream waits for an answer: the same time for each command, whatever is waited for until it is there.
import { Deadline } from '../relay/deadline.ts';

/** The time for one command's answer at a time. */
export class AnswerTime {
  readonly #ms: number;
  readonly #exceeded: () => void;
  readonly #deadline = new Deadline(() => this.#late());
  /** There while an answer is waited for. */
  #giveUp: (() => void) | undefined;
  /** On the clock of `performance.now()`. */
  #begunAt = performance.now();
  #ended = false;

  /**
   * @param ms for each answer
   * @param exceeded is called when there was none in that time: what works on it is to be stopped
   */
  constructor(ms: number, exceeded: () => void) {
    this.#ms = ms;
    this.#exceeded = exceeded;
  }

  /** A command has come: from now on upstream waits. */
  begin(): void {
    this.#begunAt = performance.now();
  }

  /**
   * Waits for something that the answer needs. What was waited for before, for the same command, has used up its part.
   *
   * @returns what the work gives, or `late` when the time is over before
   */
  async within<T>(work: Promise<T>, late: T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const giveUp = () => {
      this.#exceeded();
      // What was stopped by that may know a part of the answer, and has a turn of the event loop to say it.
      setImmediate(resolve, late);
    };
    // Written straight into the property it would be an old object at once (test/house.test.ts says why).
    this.#giveUp = giveUp;
    this.#deadline.set(this.#begunAt + this.#ms - performance.now());
    work.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#giveUp = undefined;
      if (this.#ended) this.#deadline.end();
      else this.#deadline.lift();
    }
  }

  /** No other answer will be waited for. Whoever waits for one still does so no longer than its time. */
  end(): void {
    this.#ended = true;
    if (!this.#giveUp) this.#deadline.end();
  }

  #late(): void {
    const giveUp = this.#giveUp;
    // What has come while this process was held up is read before: it may be the 250 to the message.
    setImmediate(() => {
      if (giveUp && giveUp === this.#giveUp) giveUp();
    });
  }
}
