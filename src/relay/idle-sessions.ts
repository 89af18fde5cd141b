// Sessions that wait to be used again: the latest of the best destination first, none for too long.
import type { DownstreamSession } from './session.ts';

interface Parked {
  readonly session: DownstreamSession;
  /** Its destination's place in the order of failover. */
  readonly rank: number;
  readonly timer: NodeJS.Timeout;
}

/** A stack of sessions; one that dies or has been there too long leaves it by itself. */
export class IdleSessions {
  #parked: Parked[] = [];
  readonly #gone: (session: DownstreamSession) => void;

  /** @param gone takes over a session that died, or whose time is over */
  constructor(gone: (session: DownstreamSession) => void) {
    this.#gone = gone;
  }

  get length(): number {
    return this.#parked.length;
  }

  /** @param forMs how long it may stay */
  park(session: DownstreamSession, rank: number, forMs: number): void {
    session.park();
    const timer = setTimeout(() => this.#leave(session), forMs);
    timer.unref();
    this.#parked.push({ session, rank, timer });
    void session.ended.then(() => this.#leave(session));
  }

  /** Takes the one that was used last, of the best destination: the fewest are kept warm. */
  takeLatest(): DownstreamSession | undefined {
    let best: Parked | undefined;
    for (const parked of this.#parked) if (!best || parked.rank <= best.rank) best = parked;
    return best && this.#take(best.session);
  }

  /** Takes the one that has been here longest. */
  takeOldest(): DownstreamSession | undefined {
    return this.#parked[0] && this.#take(this.#parked[0].session);
  }

  /** Takes all whose destination is worse than `rank`. */
  takeWorseThan(rank: number): DownstreamSession[] {
    const worse = this.#parked.filter((parked) => parked.rank > rank).map((parked) => parked.session);
    for (const session of worse) this.#take(session);
    return worse;
  }

  #take(session: DownstreamSession): DownstreamSession | undefined {
    const found = this.#parked.find((parked) => parked.session === session);
    if (!found) return undefined;
    clearTimeout(found.timer);
    this.#parked = this.#parked.filter((parked) => parked !== found);
    return session;
  }

  #leave(session: DownstreamSession): void {
    if (this.#take(session)) this.#gone(session);
  }
}
