// Sessions that wait to be used again: the latest of the best destination first, none for too long.
import { Deadline } from './deadline.ts';
import type { DownstreamSession } from './session.ts';

interface Parked {
  readonly session: DownstreamSession;
  /** Its destination's place in the order of failover. */
  readonly rank: number;
  /** When its time is over, on the clock of `performance.now()`. */
  readonly leavesAt: number;
}

/** A stack of sessions; one that dies or has been there too long leaves it by itself. */
export class IdleSessions {
  #parked: Parked[] = [];
  /** Those whose end is heard of. */
  readonly #watched = new WeakSet<DownstreamSession>();
  readonly #gone: (session: DownstreamSession) => void;
  readonly #deadline = new Deadline(() => this.#leaveInTime());

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
    this.#parked.push({ session, rank, leavesAt: performance.now() + forMs });
    this.#deadline.atMost(forMs);
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    void session.ended.then(() => this.#leave((parked) => parked.session === session));
  }

  /** Takes the one that was used last, of the best destination: the fewest are kept warm. */
  takeLatest(): DownstreamSession | undefined {
    const best = this.#parked.reduce((rank, parked) => Math.min(rank, parked.rank), Number.POSITIVE_INFINITY);
    return this.#take(this.#parked.findLastIndex((parked) => parked.rank === best));
  }

  /** Takes the one that has been here longest. */
  takeOldest(): DownstreamSession | undefined {
    return this.#take(0);
  }

  /** Takes all whose destination is worse than `rank`. */
  takeWorseThan(rank: number): DownstreamSession[] {
    return this.#takeAll((parked) => parked.rank > rank);
  }

  /** All leave, and nobody comes any more: no timer is left behind. */
  end(): void {
    this.#deadline.end();
    this.#leave(() => true);
  }

  #take(at: number): DownstreamSession | undefined {
    return this.#parked.splice(at, at < 0 ? 0 : 1)[0]?.session;
  }

  #takeAll(which: (parked: Parked) => boolean): DownstreamSession[] {
    const taken = this.#parked.filter(which);
    this.#parked = this.#parked.filter((parked) => !taken.includes(parked));
    return taken.map(({ session }) => session);
  }

  #leave(which: (parked: Parked) => boolean): void {
    for (const session of this.#takeAll(which)) this.#gone(session);
  }

  #leaveInTime(): void {
    const now = performance.now();
    this.#leave(({ leavesAt }) => leavesAt <= now);
    this.#watchTime();
  }

  /** Times differ: the first to leave need not be the first that came. */
  #watchTime(): void {
    const next = this.#parked.reduce((at, { leavesAt }) => Math.min(at, leavesAt), Number.POSITIVE_INFINITY);
    if (this.#parked.length > 0) this.#deadline.set(next - performance.now());
  }
}
