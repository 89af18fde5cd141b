// Which worker gets a connection: the one that has the fewest; while none is free, connections wait, but not for long.
import type { Socket } from 'node:net';
import { formatReply, makeReply } from '../smtp/reply.ts';
import type { Door } from './doors.ts';
import type { WorkerProcess } from './worker-process.ts';

/** So many may wait while workers are started or busy; whoever comes then is put off at once. */
const mostWaiting = 1000;
/** Before 421: less than what any client waits for a greeting (RFC 5321 §4.5.3.2.1 has 5 minutes). */
const waitMs = 20_000;

interface Waiting {
  readonly door: Door;
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
}

/** Between doors and workers. */
export class Dispatch {
  #waiting: Waiting[] = [];
  readonly #workers: () => readonly WorkerProcess[];

  /** @param workers those that new connections are for */
  constructor(workers: () => readonly WorkerProcess[]) {
    this.#workers = workers;
  }

  /** Takes a connection of which nothing is read yet. */
  offer(door: Door, socket: Socket): void {
    // Until a worker has it, its end and its failures are nobody's business.
    socket.on('error', () => undefined);
    if (this.#waiting.length >= mostWaiting) {
      putOff(socket);
      return;
    }
    const waiting = { door, socket, timer: setTimeout(() => this.#giveUp(waiting), waitMs) };
    this.#waiting.push(waiting);
    this.serve();
  }

  /** A worker may be free, or a door open. */
  serve(): void {
    const left: Waiting[] = [];
    for (const waiting of this.#waiting) if (!this.#place(waiting)) left.push(waiting);
    this.#waiting = left;
  }

  /** Puts off whoever waits. */
  close(): void {
    for (const waiting of this.#waiting) this.#giveUp(waiting);
  }

  /** @returns false: it has to wait */
  #place({ door, socket, timer }: Waiting): boolean {
    const worker = door.state === 'open' ? this.#leastBusy() : undefined;
    if (!worker && door.state !== 'closed') return false;
    clearTimeout(timer);
    if (worker) worker.hand(door.listener, socket);
    else putOff(socket);
    return true;
  }

  #leastBusy(): WorkerProcess | undefined {
    let best: WorkerProcess | undefined;
    for (const worker of this.#workers()) {
      if (worker.free && (!best || worker.connections < best.connections)) best = worker;
    }
    return best;
  }

  #giveUp(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#waiting = this.#waiting.filter((each) => each !== waiting);
    putOff(waiting.socket);
  }
}

/** With TLS from the first byte the text is not understood; that the connection ends is. */
function putOff(socket: Socket): void {
  socket.end(formatReply(makeReply(421, '4.3.2', 'service not available, try again later')));
  socket.destroySoon();
}
