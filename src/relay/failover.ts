// Several destinations in order: the next one when a connection can't be had, back-off on the dead one.
import type { WriteEvent } from '../telemetry/log.ts';
import type { Destination } from './destination.ts';
import { DownstreamError, messageOf } from './error.ts';
import { DownstreamSession, type SessionOptions } from './session.ts';

interface Candidate {
  readonly destination: Destination;
  /** Attempts that failed since the last one that did not; 0 = believed alive. */
  failures: number;
  /** Whether the last attempt did not fail; false before the first. */
  answered: boolean;
  /** On the clock of `performance.now()`. */
  restsUntil: number;
  /** The one attempt at a dead destination; it settles without error. */
  trial: Promise<unknown> | undefined;
}

export interface FailoverOptions {
  readonly destinations: readonly Destination[];
  readonly session: SessionOptions;
  /** First back-off of a dead destination; it doubles with each failure. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** Default: nothing is told. */
  readonly log?: WriteEvent;
}

/** Opens sessions to the best destination that can be had. */
export class Failover {
  /** Attempts that failed since the start. */
  failures = 0;

  readonly #options: FailoverOptions;
  readonly #candidates: readonly Candidate[];
  readonly #log: WriteEvent;
  /** Where the last connection led. */
  #serving: Candidate | undefined;

  constructor(options: FailoverOptions) {
    this.#options = options;
    this.#log = options.log ?? (() => {});
    this.#candidates = options.destinations.map((destination) => ({
      destination,
      failures: 0,
      answered: false,
      restsUntil: 0,
      trial: undefined,
    }));
  }

  /** A destination's place in the order; 0 is the best. */
  rank(destination: Destination): number {
    return this.#candidates.findIndex((candidate) => candidate.destination === destination);
  }

  /** The place of the best destination that is believed alive; that of the last one when none is. */
  get bestRank(): number {
    const alive = this.#candidates.findIndex((candidate) => candidate.failures === 0);
    return alive < 0 ? this.#candidates.length - 1 : alive;
  }

  /** Whether one of the destinations answered when it was last tried. */
  get reachable(): boolean {
    return this.#candidates.some(({ answered }) => answered);
  }

  /** Whether every destination is dead and in its back-off. */
  get resting(): boolean {
    return this.#candidates.every(isResting);
  }

  /**
   * Opens a session: living destinations first, then those whose back-off is over, then the rest of them,
   * each in order. A back-off delays nobody who has no other choice: a downstream that is started again
   * is found at once.
   *
   * @throws {DownstreamError} of kind `connect`, with the reply of the last attempt and the text of each
   */
  async open(signal: AbortSignal): Promise<DownstreamSession> {
    const alive = this.#candidates.filter((candidate) => candidate.failures === 0);
    const dead = this.#candidates.filter((candidate) => candidate.failures > 0);
    const order = [...alive, ...dead.filter((each) => !isResting(each)), ...dead.filter(isResting)];
    const failures: unknown[] = [];
    for (const candidate of order) {
      try {
        return await this.#try(candidate, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        failures.push(error);
      }
    }
    const last = failures.at(-1);
    if (failures.length === 1 || !(last instanceof DownstreamError)) throw last;
    throw new DownstreamError('connect', failures.map(messageOf).join('; '), {
      reply: last.reply,
      cause: last,
    });
  }

  /**
   * Tries a dead destination that is better than the one in use, when its back-off is over.
   *
   * @param rank the place of the one in use
   * @returns a session to the better one; undefined when there is nothing to try, or it is dead still
   */
  async tryBetter(rank: number, signal: AbortSignal): Promise<DownstreamSession | undefined> {
    const better = this.#candidates
      .slice(0, Math.max(rank, 0))
      .find((candidate) => candidate.failures > 0 && !isResting(candidate) && !candidate.trial);
    if (!better) return undefined;
    return this.#try(better, signal).catch(() => undefined);
  }

  async #try(candidate: Candidate, signal: AbortSignal): Promise<DownstreamSession> {
    // One attempt at a dead destination at a time; who comes meanwhile shares its failure.
    while (candidate.failures > 0 && candidate.trial) {
      const failure = await unlessAborted(candidate.trial, signal);
      if (failure instanceof DownstreamError) throw failure;
    }
    const attempt = this.#attempt(candidate, signal);
    if (candidate.failures > 0) {
      candidate.trial = attempt.then(
        () => undefined,
        (error: unknown) => (signal.aborted ? undefined : error),
      );
    }
    const { trial } = candidate;
    try {
      return await attempt;
    } finally {
      if (candidate.trial === trial) candidate.trial = undefined;
    }
  }

  async #attempt(candidate: Candidate, signal: AbortSignal): Promise<DownstreamSession> {
    const begun = performance.now();
    try {
      const session = await DownstreamSession.open(candidate.destination, this.#options.session, signal);
      this.#tellOpened(candidate, session, performance.now() - begun);
      candidate.failures = 0;
      candidate.answered = true;
      return session;
    } catch (error) {
      // Whoever gives up early says nothing about the destination.
      if (!signal.aborted) this.#rest(candidate, error);
      throw error;
    }
  }

  #tellOpened(candidate: Candidate, session: DownstreamSession, milliseconds: number): void {
    const destination = candidate.destination.text;
    if (candidate.failures > 0) this.#log('info', 'downstream recovered', { destination });
    this.#tellChange(candidate);
    this.#log('debug', 'downstream opened', { destination, milliseconds: Math.round(milliseconds) });
    void session.ended.then(({ message: reason }) => {
      const { transactions } = session;
      const seconds = Math.round((performance.now() - session.openedAt) / 1000);
      this.#log('debug', 'downstream closed', { destination, reason, transactions, seconds });
    });
  }

  /** Who was on the way to a worse destination when the better one came back changes nothing. */
  #tellChange(candidate: Candidate): void {
    const before = this.#serving;
    const worse = before && this.#candidates.indexOf(candidate) > this.#candidates.indexOf(before);
    if (worse && before.failures === 0) return;
    this.#serving = candidate;
    if (!before || before === candidate) return;
    const fields = { destination: candidate.destination.text, before: before.destination.text };
    this.#log(worse ? 'warn' : 'info', 'downstream changed', fields);
  }

  #rest(candidate: Candidate, error: unknown): void {
    const { backoffMs, backoffMaxMs } = this.#options;
    this.failures += 1;
    candidate.answered = false;
    // Attempts that began together fail together, and count once.
    if (isResting(candidate) && !candidate.trial) return;
    candidate.restsUntil = performance.now() + Math.min(backoffMs * 2 ** candidate.failures, backoffMaxMs);
    candidate.failures += 1;
    this.#log(candidate.failures === 1 ? 'warn' : 'debug', 'downstream failed', {
      destination: candidate.destination.text,
      error,
      failures: candidate.failures,
      restsMs: Math.round(candidate.restsUntil - performance.now()),
    });
  }
}

function isResting(candidate: Candidate): boolean {
  return candidate.failures > 0 && candidate.restsUntil > performance.now();
}

/** Waits, but not longer than the signal allows. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => {
    reject(new DownstreamError('connect', 'no connection: given up', { cause: signal.reason }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
