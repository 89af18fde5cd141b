// Downstream connections kept open and used again: at most `size`, with a waiting line, failover and back-off.
import type { Extensions } from '../smtp/extensions.ts';
import type { WriteEvent } from '../telemetry/log.ts';
import type { Destination } from './destination.ts';
import { DownstreamError } from './error.ts';
import { Failover, unlessAborted } from './failover.ts';
import { IdleSessions } from './idle-sessions.ts';
import type { DownstreamSession, SessionOptions } from './session.ts';
import { WaitingLine } from './waiting-line.ts';

export interface PoolOptions {
  /** In order of failover, of one protocol; at least one. */
  readonly destinations: readonly Destination[];
  readonly session: SessionOptions;
  /** Connections at most. While a dead destination is tried again there may be one more. */
  readonly size: number;
  /** How long a connection may be kept unused. */
  readonly idleMs: number;
  /** How old a connection may be when it is kept. */
  readonly ageMs: number;
  /** How many transactions a connection may carry. */
  readonly transactions: number;
  /** How long to wait for a connection while all are busy. */
  readonly waitMs: number;
  /** How many may wait at the same time. */
  readonly waiting: number;
  /** First back-off of a dead destination; it doubles with each failure. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** A connection that was unused for longer is asked whether it lives (RSET) before it is used again. */
  readonly checkAfterMs: number;
  /** Tells the log what happens to the connections. Default: nothing is told. */
  readonly log?: WriteEvent;
}

/** Who has a session hears at once that it is closed; a busy process takes a moment. */
const giveBackMs = 1000;

/** A slot, and the session that is in it already. */
interface Grant {
  readonly session: DownstreamSession | undefined;
}

/**
 * Hands out sessions, each to one caller at a time, who gives it back with `release` whatever happened.
 *
 * @example
 * const session = await pool.acquire({ signal });
 * try { ... } finally { pool.release(session); }
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #failover: Failover;
  readonly #idle = new IdleSessions((session) => this.#retire(session));
  readonly #line = new WaitingLine<Grant>();
  /** Those who have a slot whose connection is not there yet. */
  readonly #hopeful = new WaitingLine<DownstreamSession>();
  readonly #busy = new Set<DownstreamSession>();
  /** Connections that exist, are being opened or are being closed. */
  #slots = 0;
  /** How many of them are being opened. */
  #opening = 0;
  #offered: Extensions | undefined;
  #learning: Promise<void> | undefined;
  #returning = false;
  /** Work that nobody waits for but `close`. */
  readonly #chores = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  /** There while `close` waits for those that are in use. */
  #givenBack: (() => void) | undefined;

  /** @throws {TypeError} for no destination, or several of different protocols */
  constructor(options: PoolOptions) {
    const protocols = new Set(options.destinations.map((destination) => destination.protocol));
    if (protocols.size !== 1) throw new TypeError('a pool needs destinations, all of one protocol');
    this.#options = options;
    this.#failover = new Failover(options);
  }

  /** What the downstream offered last; undefined until it was reached once. */
  get offered(): Extensions | undefined {
    return this.#offered;
  }

  get protocol(): 'smtp' | 'lmtp' {
    return this.#options.destinations[0]?.protocol ?? 'smtp';
  }

  /** Whether one of the destinations answered when it was last tried, or has connections still and takes no more of them. */
  get reachable(): boolean {
    return this.#failover.reachable || this.#idle.length + this.#busy.size > 0;
  }

  /** For metrics; `failures` are the connections that could not be had since the start. */
  get counts(): { idle: number; busy: number; waiting: number; failures: number } {
    return {
      idle: this.#idle.length,
      busy: this.#busy.size,
      waiting: this.#line.length,
      failures: this.#failover.failures,
    };
  }

  /**
   * A session for the caller alone, until `release`.
   *
   * @param options `fresh`: never one that has been used; `signal`: gives up
   * @throws {DownstreamError} of kind `connect` or `waiting`
   */
  async acquire(options: { fresh?: boolean; signal?: AbortSignal } = {}): Promise<DownstreamSession> {
    const fresh = options.fresh ?? false;
    const closing = this.#ending.signal;
    if (options.signal?.aborted) throw givenUp(options.signal);
    if (closing.aborted) throw givenUp(closing);
    const granted = this.#line.length === 0 ? this.#take(fresh) : undefined;
    if (granted?.session && this.#isLikelyAlive(granted.session)) return this.#handOut(granted.session);
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing;
    return this.#provide(granted ?? (await this.#wait(fresh, signal)), fresh, signal);
  }

  /** The caller is finished with it. An open transaction is reset before anybody else gets the session. */
  release(session: DownstreamSession): void {
    if (!this.#busy.delete(session)) return;
    if (this.#busy.size === 0) this.#givenBack?.();
    if (!session.usable || session.contentDue) this.#retire(session);
    else if (session.inTransaction) this.#chore(this.#resetAndKeep(session));
    else this.#keep(session);
  }

  /**
   * What the downstream offers, asking it when that is unknown or no connection is alive. During back-off,
   * and whenever it cannot be had, what it offered last.
   *
   * @param waitMs how long to wait; it is asked for until there is an answer
   */
  async learn(waitMs: number): Promise<Extensions | undefined> {
    const alive = this.#idle.length + this.#busy.size > 0;
    if ((this.#offered && alive) || this.#failover.resting || this.#ending.signal.aborted)
      return this.#offered;
    this.#learning ??= this.#open().finally(() => {
      this.#learning = undefined;
    });
    try {
      await unlessAborted(this.#learning, AbortSignal.timeout(waitMs));
    } catch {
      // Not to be had in time: the last known offer is the answer.
    }
    return this.#offered;
  }

  /**
   * Refuses those who wait, says QUIT on unused connections, and closes the others: nobody is there who needs them.
   * Whoever had one has learned of that afterwards, and given it back.
   */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the pool is closed'));
    this.#idle.end();
    for (const session of this.#busy) session.destroy();
    if (this.#busy.size > 0) await this.#allGivenBack();
    while (this.#chores.size > 0) await Promise.all(this.#chores);
    await this.#learning?.catch(() => {});
  }

  async #allGivenBack(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#givenBack = resolve;
    const timer = setTimeout(resolve, giveBackMs);
    await promise;
    clearTimeout(timer);
  }

  async #open(): Promise<void> {
    this.release(await this.acquire());
  }

  async #wait(fresh: boolean, signal: AbortSignal): Promise<Grant> {
    const { waiting, waitMs } = this.#options;
    if (this.#line.length >= waiting) {
      throw new DownstreamError(
        'waiting',
        `no downstream connection: all are busy, and ${waiting} wait already`,
      );
    }
    return this.#line.join(fresh, waitMs, signal);
  }

  /** Reserves a slot, in one turn of the event loop, so that nobody else can have it. */
  #take(fresh: boolean): Grant | undefined {
    const session = fresh ? undefined : this.#idle.takeLatest();
    if (session) return { session };
    if (this.#slots < this.#options.size) {
      this.#slots += 1;
      return { session: undefined };
    }
    // An unused connection makes room for a fresh one; its slot goes over.
    const oldest = this.#idle.takeOldest();
    oldest?.destroy();
    return oldest && { session: undefined };
  }

  #freeSlot(): void {
    this.#slots -= 1;
    this.#serve();
    this.#dismissHopeless();
  }

  #serve(): void {
    this.#hopeful.serve(() => this.#idle.takeLatest());
    this.#line.serve((fresh) => this.#take(fresh));
  }

  async #provide(grant: Grant, fresh: boolean, signal: AbortSignal): Promise<DownstreamSession> {
    let session: DownstreamSession;
    try {
      const alive = grant.session && (await this.#isAlive(grant.session, signal));
      if (alive && grant.session) session = grant.session;
      else session = await (fresh ? this.#openNew(signal) : this.#openOrTakeOver(signal));
    } catch (error) {
      this.#freeSlot();
      throw error;
    }
    if (signal.aborted) {
      this.#keep(session);
      throw givenUp(signal);
    }
    return this.#handOut(session);
  }

  /**
   * Opens a connection for a slot. One that somebody gives back meanwhile will do as well: a downstream that takes no
   * more of them lets this one wait, or refuses it, while those that it has are free again and again.
   *
   * @throws {DownstreamError} why none could be opened
   */
  async #openOrTakeOver(signal: AbortSignal): Promise<DownstreamSession> {
    const enough = new AbortController();
    const giveUp = AbortSignal.any([signal, enough.signal]);
    const released = this.#hopeful.join(false, this.#options.waitMs, giveUp);
    const opening = this.#openNew(signal, enough);
    const session = await Promise.any([opening, released]).catch(() => opening);
    enough.abort();
    // The other one may be there as well, or come later.
    const keep = (other: DownstreamSession) => {
      if (other !== session) this.#keep(other);
    };
    this.#chore(released.then(keep, () => undefined));
    this.#chore(opening.then(keep, () => this.#freeSlot()));
    return session;
  }

  /** @param enough is aborted as soon as it is there, so that nobody who has a connection stands among the hopeful */
  async #openNew(signal: AbortSignal, enough?: AbortController): Promise<DownstreamSession> {
    this.#opening += 1;
    try {
      const session = await this.#failover.open(signal);
      enough?.abort();
      return session;
    } finally {
      this.#opening -= 1;
      this.#dismissHopeless();
    }
  }

  /** Where no connection is left, nor on its way, none will be given back. */
  #dismissHopeless(): void {
    if (this.#opening === 0 && this.#slots <= this.#hopeful.length)
      this.#hopeful.dismiss('there is none to wait for');
  }

  #handOut(session: DownstreamSession): DownstreamSession {
    this.#busy.add(session);
    this.#offered = session.extensions;
    this.#returnToBetter(session);
    return session;
  }

  /** Whether it was used so lately that it is not asked. */
  #isLikelyAlive(session: DownstreamSession): boolean {
    return session.usable && session.idleMs <= this.#options.checkAfterMs;
  }

  async #isAlive(session: DownstreamSession, signal: AbortSignal): Promise<boolean> {
    if (this.#isLikelyAlive(session)) return true;
    const abort = () => session.destroy();
    signal.addEventListener('abort', abort, { once: true });
    try {
      if (session.usable && (await session.reset())) return true;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    session.destroy();
    return false;
  }

  async #resetAndKeep(session: DownstreamSession): Promise<void> {
    if (await session.reset()) this.#keep(session);
    else this.#retire(session);
  }

  /** Parks a session for the next caller, unless its time is over. */
  #keep(session: DownstreamSession): void {
    const { ageMs, idleMs, transactions } = this.#options;
    const rank = this.#failover.rank(session.destination);
    const restMs = ageMs - (performance.now() - session.openedAt);
    const worn = restMs <= 0 || session.transactions >= transactions || rank > this.#failover.bestRank;
    if (worn || !session.usable || this.#ending.signal.aborted) {
      this.#retire(session);
      return;
    }
    this.#idle.park(session, rank, Math.min(idleMs, restMs));
    this.#serve();
  }

  /** Closes a session that holds a slot; the slot is free when the connection is gone. */
  #retire(session: DownstreamSession): void {
    if (session.usable) {
      this.#chore(session.quit().then(() => this.#freeSlot()));
    } else {
      session.destroy();
      this.#freeSlot();
    }
  }

  /** While a worse destination serves, sees now and then whether a better one is alive again. */
  #returnToBetter(inUse: DownstreamSession): void {
    const rank = this.#failover.rank(inUse.destination);
    if (rank === 0 || this.#returning) return;
    this.#returning = true;
    const attempt = this.#failover.tryBetter(rank, this.#ending.signal).then((better) => {
      this.#returning = false;
      if (better) this.#prefer(better);
    });
    this.#chore(attempt);
  }

  #prefer(session: DownstreamSession): void {
    this.#offered = session.extensions;
    this.#slots += 1;
    if (this.#slots > this.#options.size) this.#retire(session);
    else this.#keep(session);
    for (const worse of this.#idle.takeWorseThan(this.#failover.bestRank)) this.#retire(worse);
  }

  #chore(work: Promise<void>): void {
    const chore = work.finally(() => this.#chores.delete(chore));
    this.#chores.add(chore);
  }
}

function givenUp(signal: AbortSignal): DownstreamError {
  return new DownstreamError('waiting', 'no downstream connection: given up', { cause: signal.reason });
}
