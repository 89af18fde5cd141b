// Which worker gets a connection: the one that has the fewest of its listener; while none is free, it waits, but not for long.
import type { Socket } from 'node:net';
import type { Door } from './doors.ts';
import type { Place } from './messages.ts';
import type { PutOffReason } from './put-off.ts';

/** So many may wait at one door while workers are started or busy; whoever comes then is put off at once. */
const mostWaiting = 1000;
/** The same for those who may not connect: they are refused by a worker, and must not be in the way of others. */
const mostStrangers = 100;
/** Before 421: less than what any client waits for a greeting (RFC 5321 §4.5.3.2.1 has 5 minutes). */
const waitMs = 20_000;
/** Who ends a connection and opens another one may be here before it is known that a place is free. */
const roomMs = 200;

/** A worker, as far as it matters here. */
export interface Recipient {
  /** Whether it can take a connection now. */
  readonly free: boolean;
  readonly connections: number;
  connectionsOf(listener: string): number;
  hand(listener: string, socket: Socket, place: Place): void;
}

/** Whom a dispatch works for. */
export interface DispatchOptions {
  /** Those that new connections are for. */
  workers(): readonly Recipient[];
  readonly places: {
    mayConnect(door: Door, socket: Socket): boolean;
    room(door: Door): number;
  };
  putOff(listener: string, socket: Socket, reason: PutOffReason): void;
}

interface Waiting {
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
  /** When it is over, the connection waits for a worker only, which refuses it where there is no room. */
  readonly roomTimer: NodeJS.Timeout;
  impatient?: true;
}

/** Those who wait at one door, in the order in which they came; strangers stand in a queue of their own. */
interface Queue {
  readonly door: Door;
  readonly strangers: boolean;
  readonly waiting: Waiting[];
}

/** Between doors and workers. */
export class Dispatch {
  readonly #options: DispatchOptions;
  /** The one that was served last is the last. One that is empty is dropped soon. */
  #queues: readonly Queue[] = [];

  constructor(options: DispatchOptions) {
    this.#options = options;
  }

  /** Takes a connection of which nothing is read yet. */
  offer(door: Door, socket: Socket): void {
    // Until a worker has it, its end and its failures are nobody's business.
    socket.on('error', () => undefined);
    const strangers = !this.#options.places.mayConnect(door, socket);
    const found = this.#queues.find((queue) => queue.door === door && queue.strangers === strangers);
    // Mostly nobody waits.
    if (!found && door.state === 'open' && this.#hand(door, socket, strangers, false)) return;
    const queue = found ?? this.#begin(door, strangers);
    if (queue.waiting.length >= (strangers ? mostStrangers : mostWaiting)) {
      this.#options.putOff(door.listener, socket, 'too_many_waiting');
      return;
    }
    const waiting: Waiting = {
      socket,
      timer: setTimeout(() => this.#giveUp(queue, waiting), waitMs),
      roomTimer: setTimeout(() => {
        waiting.impatient = true;
        this.serve();
      }, roomMs),
    };
    queue.waiting.push(waiting);
    this.serve();
  }

  /** A worker may be free, a place too, or a door open. */
  serve(): void {
    let served: Queue | undefined;
    do {
      served = this.#queues.find((queue) => this.#placeFirst(queue));
      this.#queues = this.#queues.filter((queue) => queue !== served && queue.waiting.length > 0);
      if (served && served.waiting.length > 0) this.#queues = [...this.#queues, served];
    } while (served);
  }

  /** Puts off whoever waits. */
  close(): void {
    const queues = this.#queues;
    this.#queues = [];
    for (const { door, waiting } of queues) {
      for (const each of waiting) this.#putOff(door, each, 'closing');
    }
  }

  #begin(door: Door, strangers: boolean): Queue {
    const queue: Queue = { door, strangers, waiting: [] };
    this.#queues = [...this.#queues, queue];
    return queue;
  }

  /** @returns false: it has to wait */
  #placeFirst({ door, strangers, waiting }: Queue): boolean {
    const [first] = waiting;
    if (!first || door.state === 'waiting') return false;
    if (door.state === 'closed') {
      waiting.shift();
      this.#putOff(door, first, 'closing');
      return true;
    }
    if (!this.#hand(door, first.socket, strangers, first.impatient ?? false)) return false;
    waiting.shift();
    clearTimers(first);
    return true;
  }

  /**
   * @param impatient whether it is handed over also where there is no room, to be refused
   * @returns false: it has to wait for a worker, or for a place
   */
  #hand(door: Door, socket: Socket, stranger: boolean, impatient: boolean): boolean {
    const room = stranger ? 0 : this.#options.places.room(door);
    if (room === 0 && !stranger && !impatient) return false;
    const worker = this.#leastBusy(door.listener);
    if (!worker) return false;
    worker.hand(door.listener, socket, room === 0 ? 'none' : room === 1 ? 'last' : 'one');
    return true;
  }

  #leastBusy(listener: string): Recipient | undefined {
    let best: Recipient | undefined;
    for (const worker of this.#options.workers()) {
      if (worker.free && (!best || isLessBusy(worker, best, listener))) best = worker;
    }
    return best;
  }

  #giveUp(queue: Queue, waiting: Waiting): void {
    queue.waiting.splice(queue.waiting.indexOf(waiting), 1);
    this.#putOff(queue.door, waiting, 'no_worker');
  }

  #putOff({ listener }: Door, waiting: Waiting, reason: PutOffReason): void {
    clearTimers(waiting);
    this.#options.putOff(listener, waiting.socket, reason);
  }
}

/** Of its listener first: pools are shared out by listener. */
function isLessBusy(one: Recipient, other: Recipient, listener: string): boolean {
  const difference = one.connectionsOf(listener) - other.connectionsOf(listener);
  return difference < 0 || (difference === 0 && one.connections < other.connections);
}

function clearTimers({ timer, roomTimer }: Waiting): void {
  clearTimeout(timer);
  clearTimeout(roomTimer);
}
