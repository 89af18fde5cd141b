// How long upstream waits for an answer: the same time for each, one after another.
import { Deadline } from '../relay/deadline.ts';

/** The time for one answer at a time. */
export class AnswerTime {
  readonly #ms: number;
  readonly #exceeded: () => void;
  readonly #deadline = new Deadline(() => this.#late());
  /** There while an answer is waited for. */
  #giveUp: (() => void) | undefined;
  #ended = false;

  /**
   * @param ms for each answer
   * @param exceeded is called when there was none in that time: what works on it is to be stopped
   */
  constructor(ms: number, exceeded: () => void) {
    this.#ms = ms;
    this.#exceeded = exceeded;
  }

  /**
   * Waits for an answer.
   *
   * @returns what the work gives, or `late` when that takes too long
   */
  async within<T>(work: Promise<T>, late: T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#giveUp = () => {
      this.#exceeded();
      // What was stopped by that may know a part of the answer, and has a turn of the event loop to say it.
      setImmediate(resolve, late);
    };
    this.#deadline.set(this.#ms);
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
