// Connections that no worker got: each gets 421 and is counted; the log has no more than a line each second.
import type { Socket } from 'node:net';
import { formatReply, makeReply } from '../smtp/reply.ts';
import type { Log } from '../telemetry/log.ts';

/** Why: no worker took it in time, too many waited already, or its listener is closed. */
export type PutOffReason = 'no_worker' | 'too_many_waiting' | 'closing';

/** So often there is a line for each listener and reason. */
const lineMs = 1000;

/** Where it is told. */
export interface PutOffOptions {
  log(): Log;
  /** Counts one. */
  count(listener: string, reason: PutOffReason): void;
}

/** Of one listener, for one reason, since the last line. */
interface Untold {
  readonly listener: string;
  readonly reason: PutOffReason;
  connections: number;
  /** The latest one's address. */
  client: string | undefined;
  timer?: NodeJS.Timeout;
}

/** Puts connections off. */
export class PutOff {
  readonly #options: PutOffOptions;
  readonly #untold = new Map<string, Untold>();

  constructor(options: PutOffOptions) {
    this.#options = options;
  }

  /** With TLS from the first byte the text is not understood; that the connection ends is. */
  putOff(listener: string, socket: Socket, reason: PutOffReason): void {
    const client = socket.remoteAddress;
    socket.end(formatReply(makeReply(421, '4.3.2', 'service not available, try again later')));
    socket.destroySoon();
    this.#options.count(listener, reason);
    const key = `${reason} ${listener}`;
    const untold = this.#untold.get(key) ?? { listener, reason, connections: 0, client };
    untold.connections += 1;
    untold.client = client;
    // The first one is told at once, those of the next second together.
    if (!this.#untold.has(key)) this.#tell(key, untold);
  }

  /** Tells what has not been told yet. */
  close(): void {
    for (const untold of this.#untold.values()) {
      clearTimeout(untold.timer);
      this.#write(untold);
    }
    this.#untold.clear();
  }

  #tell(key: string, untold: Untold): void {
    this.#untold.set(key, untold);
    if (this.#write(untold)) untold.timer = setTimeout(() => this.#tell(key, untold), lineMs).unref();
    else this.#untold.delete(key);
  }

  /** @returns whether there was something to tell */
  #write(untold: Untold): boolean {
    const { listener, reason, connections, client } = untold;
    if (connections === 0) return false;
    untold.connections = 0;
    const log = this.#options.log();
    log.warn('connections put off', { listener, reason, connections, ...(client && { client }) });
    return true;
  }
}
