// How fast traffic is: a share of what the machine has to give at the moment, which on a shared one changes from minute to minute.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { sum } from '../statistics.ts';

/** So many measurements together say what a message costs: one by one they say what went wrong meanwhile. */
const remembered = 6;
/** Before so many are there, nothing is concluded. */
const enough = 3;
/** Of the pace at the beginning: the least and the most. */
const slowest = 0.2;
const fastest = 1.5;

/** Milliseconds that all processors together have been in use since the machine began; what others took of it counts. */
export function busyMs(): number {
  const [, ...jiffies] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.split(/ +/) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = jiffies.map(Number);
  return (user + nice + system + irq + softirq + steal) * 10;
}

/** What happened between two samples. */
export interface Stretch {
  /** Milliseconds of processors. */
  readonly busyMs: number;
  readonly messages: number;
}

/**
 * How much of the processors was in use: 1 is all of them.
 *
 * @param ms milliseconds of processors, in so many seconds
 */
export function useOf(ms: number, seconds: number): number {
  return ms / (1000 * seconds * availableParallelism());
}

/** Keeps the use of the processors at a share of what it is when traffic is as fast as it can be. */
export class Pace {
  readonly #rate: number;
  readonly #use: number;
  #stretches: readonly Stretch[] = [];

  /**
   * @param rate messages per second at the beginning
   * @param use of the processors, 0 to 1, that is aimed at
   */
  constructor(rate: number, use: number) {
    this.#rate = rate;
    this.#use = use;
  }

  /** @returns how fast it shall be from now on, of the pace at the beginning */
  after(stretch: Stretch): number {
    // Reports of messages come a stretch later than the messages: the first has none.
    if (this.#stretches.length === 0 && stretch.messages === 0) return 1;
    this.#stretches = [...this.#stretches, stretch].slice(-remembered);
    if (this.#stretches.length < enough) return 1;
    const msPerMessage =
      sum(this.#stretches, (each) => each.busyMs) / sum(this.#stretches, (each) => each.messages);
    const perSecond = (this.#use * availableParallelism() * 1000) / msPerMessage;
    return Math.min(fastest, Math.max(slowest, perSecond / this.#rate || slowest));
  }
}
