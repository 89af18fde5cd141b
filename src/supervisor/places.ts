// Who may have a place at a listener, and whether there is one: counted over all workers, those that retire included.
import type { Socket } from 'node:net';
import type { Configuration, ListenerConfiguration } from '../config/configuration.ts';
import { Networks } from '../smtp/networks.ts';
import type { Door } from './doors.ts';

/** What is known of a worker here. */
export interface Counted {
  connectionsOf(listener: string): number;
}

/** What places depend on. */
export interface PlacesOptions {
  /** Every worker that has connections. */
  workers(): readonly Counted[];
  /** What holds at a door, or will when it is open; undefined while that is not known. */
  configuration(door: Door): Pick<Configuration, 'listeners'> | undefined;
}

/** Who may connect to a listener, and what was asked last: mostly it is the same peer that comes again. */
interface Admitted {
  readonly networks: Networks;
  last?: { readonly address: string; readonly included: boolean };
}

/** The places of all listeners. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #admitted = new WeakMap<ListenerConfiguration, Admitted>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** Whether the peer may connect; the name of the client of a believed PROXY header comes later. */
  mayConnect(door: Door, socket: Socket): boolean {
    const listener = this.#listener(door);
    // A UNIX socket's permissions say who may connect.
    if (!listener || 'path' in listener.listen) return true;
    return this.#isAdmitted(listener, socket.remoteAddress ?? '');
  }

  /** How many more there is room for. */
  room(door: Door): number {
    const listener = this.#listener(door);
    if (!listener) return Number.POSITIVE_INFINITY;
    let taken = 0;
    for (const worker of this.#options.workers()) taken += worker.connectionsOf(listener.name);
    return Math.max(0, listener.limits.connections - taken);
  }

  #listener(door: Door): ListenerConfiguration | undefined {
    return this.#options.configuration(door)?.listeners.find(({ name }) => name === door.listener);
  }

  #isAdmitted(listener: ListenerConfiguration, address: string): boolean {
    let admitted = this.#admitted.get(listener);
    if (!admitted) {
      admitted = { networks: new Networks([...listener.clients, ...listener.proxyProtocol]) };
      this.#admitted.set(listener, admitted);
    }
    if (admitted.last?.address !== address) {
      admitted.last = { address, included: admitted.networks.includes(address) };
    }
    return admitted.last.included;
  }
}
